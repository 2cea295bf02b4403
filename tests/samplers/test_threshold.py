"""The confidence threshold against a plain recursion, and its two limits in closed form."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import mean_of, of_tokens, outcomes_by_enumeration
from tests.reference.reveal_recursion import (
    best_only,
    left_to_right,
    one_per_pass,
    outcomes_by_recursion,
    product_of_marginals,
    surest,
)
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.markov import MarkovChain
from unmask.predictors.table import JointTable
from unmask.process.blocks import LeftToRight, Sliding
from unmask.samplers.sampler import sample
from unmask.samplers.threshold import Threshold, sure_enough
from unmask.speculation.filters import Filter

GIVEN = [[2, 2, 2, 2], [2, 1, 2, 2], [3, 3, 3], [3, 0, 3]]
every_prompt = pytest.mark.parametrize("prompt", GIVEN, ids=str)


def predictor_for(prompt):
    """Three tokens for length 3, two for length 4."""
    return ArbitraryHybrid(6 - len(prompt), len(prompt), seed=1)


def at_least(threshold):
    def rule(probs, drawn, history):
        sure = [n for n in drawn if probs[n][drawn[n]] >= threshold]
        return set(sure) | set(surest(probs, drawn))

    return rule


@every_prompt
@pytest.mark.parametrize("threshold", [0.45, 0.7])
def test_the_law_is_that_of_the_recursion(prompt, threshold):
    predictor = predictor_for(prompt)
    outcomes = outcomes_by_enumeration(predictor, Threshold(threshold=threshold), prompt)
    expected = outcomes_by_recursion(predictor, prompt, at_least(threshold))
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert len({passes for _, passes, *_ in outcomes}) > 1


@pytest.mark.parametrize("prompt", [[2, 2, 2, 2], [1, 2, 2, 2]], ids=str)
def test_nothing_is_revealed_beyond_the_current_block(prompt):
    predictor = predictor_for(prompt)
    sampler = Threshold(threshold=0.6, blocks=LeftToRight(2))
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    blocks = left_to_right(2, origin=prompt.index(2))
    expected = outcomes_by_recursion(predictor, prompt, at_least(0.6), candidates=blocks)
    assert outcomes == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("prompt", [[2, 2, 2, 2], [1, 2, 2, 2]], ids=str)
def test_nothing_is_revealed_beyond_the_window_that_slides(prompt):
    predictor = predictor_for(prompt)
    sampler = Threshold(threshold=0.6, blocks=Sliding(2))
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    expected = outcomes_by_recursion(
        predictor, prompt, at_least(0.6), candidates=lambda masked: masked[:2]
    )
    assert outcomes == pytest.approx(expected, abs=1e-12)
    in_blocks = outcomes_by_enumeration(
        predictor, Threshold(threshold=0.6, blocks=LeftToRight(2)), prompt
    )
    assert outcomes != pytest.approx(in_blocks, abs=1e-3)


@every_prompt
def test_above_one_it_is_one_token_per_pass(prompt):
    predictor = predictor_for(prompt)
    outcomes = outcomes_by_enumeration(predictor, Threshold(threshold=1.5), prompt)
    assert outcomes == pytest.approx(
        outcomes_by_recursion(predictor, prompt, one_per_pass), abs=1e-12
    )
    assert {passes for _, passes, *_ in outcomes} == {prompt.count(predictor.vocab_size)}


def test_at_zero_it_is_one_pass_of_independent_tokens():
    table = JointTable.random(vocab_size=3, length=3, seed=2)
    outcomes = outcomes_by_enumeration(table, Threshold(threshold=0.0), [3, 3, 3])
    assert of_tokens(outcomes) == pytest.approx(product_of_marginals(table), abs=1e-12)
    assert mean_of(outcomes, 1) == pytest.approx(1.0)


def test_the_confidence_is_not_that_of_the_filtered_distribution():
    """At temperature 0 the token drawn would have confidence 1, and one pass would do."""
    predictor = ArbitraryHybrid(2, 4, seed=3)
    sampler = Threshold(threshold=0.8, filter=Filter(temperature=0.0))
    outcomes = outcomes_by_enumeration(predictor, sampler, [2] * 4)
    expected = outcomes_by_recursion(predictor, [2] * 4, at_least(0.8), filtered=best_only)
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert len(outcomes) == 1 and mean_of(outcomes, 1) > 1


def test_sequences_are_the_same_in_any_batch():
    check_same_in_any_batch(Threshold(threshold=0.7))
    check_same_in_any_batch(Threshold(threshold=0.7, blocks=Sliding(3)))


def test_a_confidence_equal_to_the_threshold_is_enough():
    confidence = torch.tensor([[0.75, 0.5, 0.25]]).double()
    is_chosen = sure_enough(confidence, torch.ones(1, 3, dtype=torch.bool), 0.5)
    assert is_chosen.tolist() == [[True, True, False]]


columns = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=8)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(columns, st.floats(0, 1.2))
def test_something_is_chosen_and_only_among_the_candidates(columns, threshold):
    confidence, in_window = map(list, zip(*columns, strict=True))
    confidence = torch.tensor([confidence], dtype=torch.float64)
    is_chosen = sure_enough(confidence, torch.tensor([in_window]), threshold)[0].tolist()
    sure = [real and value >= threshold for value, real in columns]
    if any(sure) or not any(in_window):
        assert is_chosen == sure
    else:
        best = max(value for value, real in columns if real)
        assert is_chosen.index(True) == columns.index((best, True))
        assert sum(is_chosen) == 1


@pytest.mark.parametrize("threshold", [-0.1, float("nan")])
def test_a_threshold_below_zero_is_refused(threshold):
    with pytest.raises(ConfigError, match="Threshold.threshold must be.*one token per pass"):
        Threshold(threshold=threshold)


def test_the_first_pass_of_a_block_can_reveal_its_first_token_alone() -> None:
    chosen = Threshold(threshold=0.0, blocks=LeftToRight(3), first_alone=True)
    chain = MarkovChain.random(vocab_size=5, order=1, seed=0)
    given_ids = torch.tensor([[0, *[chain.vocab_size] * 7]])
    revealed = []

    def note(state, cost, rows) -> None:
        revealed.append((state.token_ids[0] != chain.vocab_size).nonzero().flatten().tolist())

    sample(chain, chosen, given_ids, SeededDraws([0]), observe=note)
    assert [rows[-1] for rows in revealed] == [1, 3, 4, 6, 7]
    with pytest.raises(ConfigError, match="choose blocks from left to right"):
        Threshold(first_alone=True)
