"""The factor rule against a plain recursion, and its theorem on joint distributions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import of_tokens, outcomes_by_enumeration
from tests.reference.reveal_recursion import (
    left_to_right,
    one_per_pass,
    outcomes_by_recursion,
    product_of_marginals,
    surest,
)
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.table import JointTable
from unmask.process.blocks import LeftToRight
from unmask.samplers.factor import Factor, sure_together
from unmask.speculation.filters import Filter

every_prompt = pytest.mark.parametrize(
    "prompt", [[2, 2, 2, 2], [2, 1, 2, 2], [3, 3, 3], [3, 0, 3]], ids=str
)


def predictor_for(prompt):
    """Three tokens for length 3, two for length 4."""
    return ArbitraryHybrid(6 - len(prompt), len(prompt), seed=2)


def largest_n(confidences, factor):
    """By the definition, every n tried."""
    falling = sorted(confidences, reverse=True)
    allowed = [n for n in range(1, len(falling) + 1) if (n + 1) * (1 - falling[n - 1]) < factor]
    return max([1, *allowed])


def by_factor(factor):
    def rule(probs, drawn, history):
        confidences = [probs[n][token] for n, token in drawn.items()]
        return surest(probs, drawn, largest_n(confidences, factor))

    return rule


@every_prompt
@pytest.mark.parametrize("factor", [1.0, 1.7])
def test_the_law_is_that_of_the_recursion(prompt, factor):
    predictor = predictor_for(prompt)
    outcomes = outcomes_by_enumeration(predictor, Factor(factor=factor), prompt)
    expected = outcomes_by_recursion(predictor, prompt, by_factor(factor))
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert len({passes for _, passes, *_ in outcomes}) > 1


def test_nothing_is_revealed_beyond_the_current_block():
    predictor, prompt = predictor_for([2] * 4), [2] * 4
    sampler = Factor(factor=1.5, blocks=LeftToRight(2))
    expected = outcomes_by_recursion(
        predictor, prompt, by_factor(1.5), candidates=left_to_right(2)
    )
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    assert outcomes == pytest.approx(expected, abs=1e-12)


@every_prompt
@pytest.mark.parametrize("factor", [0.0, 1e-9])
def test_a_small_factor_is_one_token_per_pass(prompt, factor):
    predictor = predictor_for(prompt)
    outcomes = outcomes_by_enumeration(predictor, Factor(factor=factor), prompt)
    expected = outcomes_by_recursion(predictor, prompt, one_per_pass)
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {prompt.count(predictor.vocab_size)}


@pytest.mark.parametrize("factor", [4.0, float("inf")])
def test_a_large_factor_is_one_pass_of_independent_tokens(factor):
    """(n + 1) (1 - c) is below n + 1, hence below 4 for three tokens."""
    table = JointTable.random(vocab_size=3, length=3, seed=2)
    outcomes = outcomes_by_enumeration(table, Factor(factor=factor), [3, 3, 3])
    assert of_tokens(outcomes) == pytest.approx(product_of_marginals(table), abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {1}


@pytest.mark.parametrize(("factor", "passes"), [(0.0, 3), (1e-9, 1)])
def test_certain_tokens_cost_nothing(factor, passes):
    """One sequence has all the mass, so that every confidence is 1."""
    log_joint = torch.full((2, 2, 2), -torch.inf, dtype=torch.float64)
    log_joint[1, 0, 1] = 0.0
    outcomes = outcomes_by_enumeration(JointTable(log_joint), Factor(factor=factor), [2, 2, 2])
    assert outcomes == {((1, 0, 1), passes, 0, 3): 1.0}


def after_a_greedy_pass(joint, factor):
    """{position: token} for what the first pass at temperature 0 reveals."""
    table, length = JointTable(joint.log()), joint.ndim
    sampler = Factor(factor=factor, filter=Filter(temperature=0.0))
    given_ids = torch.full((1, length), table.vocab_size)
    draws = SeededDraws([0])
    state = sampler.init(given_ids, mask_id=table.vocab_size, draws=draws)
    state, _ = sampler.step(state, table, draws)
    return {n: int(state.token_ids[0, n]) for n in range(length) if not state.is_masked[0, n]}


def is_mode(joint, revealed):
    """Whether no other tokens are likelier at these positions together."""
    others = [n for n in range(joint.ndim) if n not in revealed]
    marginal = joint.sum(dim=others) if others else joint
    return marginal[tuple(revealed.values())] == marginal.max()


def test_tokens_revealed_together_are_the_mode_together():
    """The theorem, on 300 peaked joint distributions."""
    num_together = []
    for seed in range(300):
        joint = JointTable.random(vocab_size=2, length=3, seed=seed).log_joint.exp() ** 2
        revealed = after_a_greedy_pass(joint, factor=1.0)
        num_together.append(len(revealed))
        assert is_mode(joint, revealed)
    assert sum(n > 1 for n in num_together) > 50


@pytest.mark.parametrize(("factor", "num_revealed"), [(1.0, 1), (1.1, 2)])
def test_beyond_the_theorem_they_need_not_be(factor, num_revealed):
    """Both marginals favour token 0 with 0.66, and (0, 0) is the least likely pair of three."""
    joint = torch.tensor([[0.32, 0.34], [0.34, 0.0]], dtype=torch.float64)
    revealed = after_a_greedy_pass(joint, factor)
    assert len(revealed) == num_revealed
    assert is_mode(joint, revealed) == (factor == 1.0)


def test_an_unsure_last_candidate_stays_masked():
    """The released loop reveals it."""
    confidence = torch.tensor([[0.99, 0.1]], dtype=torch.float64)
    in_window = torch.ones(1, 2, dtype=torch.bool)
    assert sure_together(confidence, in_window, 1.0).tolist() == [[True, False]]


columns = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=8)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(columns, st.floats(0, 6))
def test_the_surest_are_chosen_among_the_candidates(columns, factor):
    values, in_window = map(list, zip(*columns, strict=True))
    confidence = torch.tensor([values], dtype=torch.float64)
    is_chosen = sure_together(confidence, torch.tensor([in_window]), factor)[0].tolist()
    chosen = [value for value, is_one in zip(values, is_chosen, strict=True) if is_one]
    real = sorted((value for value, is_real in columns if is_real), reverse=True)
    num_chosen = largest_n(real, factor) if real else 0
    assert sorted(chosen, reverse=True) == real[:num_chosen]
    assert not any(one and not real for one, real in zip(is_chosen, in_window, strict=True))


def test_sequences_are_the_same_in_any_batch():
    check_same_in_any_batch(Factor(factor=1.5))


@pytest.mark.parametrize("factor", [-0.1, float("nan")])
def test_a_factor_below_zero_is_refused(factor):
    with pytest.raises(ConfigError, match="Factor.factor must be.*more is faster"):
        Factor(factor=factor)
