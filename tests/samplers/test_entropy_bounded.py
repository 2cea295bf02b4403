"""The EB-Sampler against a plain recursion, and what its bound bounds."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import of_tokens, outcomes_by_enumeration
from tests.reference.reveal_recursion import (
    best_only,
    left_to_right,
    outcomes_by_recursion,
    product_of_marginals,
)
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.table import JointTable
from unmask.process.blocks import LeftToRight
from unmask.samplers.entropy_bounded import EntropyBounded, within_bound
from unmask.speculation.filters import Filter

RANKINGS = {
    "entropy": lambda p: -entropy(p),
    "confidence": max,
    "margin": lambda p: sorted(p)[-1] - sorted(p)[-2],
}
every_prompt = pytest.mark.parametrize(
    "prompt", [[2, 2, 2, 2], [2, 1, 2, 2], [3, 3, 3], [3, 0, 3]], ids=str
)
every_ranking = pytest.mark.parametrize("ranking", RANKINGS)


def predictor_for(prompt):
    """Three tokens for length 3, two for length 4."""
    return ArbitraryHybrid(6 - len(prompt), len(prompt), seed=1)


def entropy(probs):
    return -sum(p * math.log(p) for p in probs if p > 0)


def shared(entropies):
    return math.fsum(entropies) - max(entropies)


def longest_prefix(entropies, bound):
    """By the definition, every length tried."""
    lengths = range(1, len(entropies) + 1)
    return max(k for k in lengths if k == 1 or shared(entropies[:k]) <= bound)


def by_entropy(bound, ranking):
    def rule(probs, drawn, history):
        first = sorted(probs, key=lambda n: (-RANKINGS[ranking](probs[n]), n))
        return first[: longest_prefix([entropy(probs[n]) for n in first], bound)]

    return rule


@every_ranking
@every_prompt
def test_the_law_is_that_of_the_recursion(prompt, ranking):
    predictor = predictor_for(prompt)
    sampler = EntropyBounded(bound=0.5, ranking=ranking)
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    expected = outcomes_by_recursion(predictor, prompt, by_entropy(0.5, ranking))
    assert outcomes == pytest.approx(expected, abs=1e-12)


def after_one_pass(joint, sampler):
    """The positions that the first pass reveals."""
    table = JointTable(joint.log())
    given_ids, draws = torch.full((1, joint.ndim), table.vocab_size), SeededDraws([0])
    state = sampler.init(given_ids, mask_id=table.vocab_size, draws=draws)
    state, _ = sampler.step(state, table, draws)
    return (~state.is_masked[0]).nonzero().squeeze(1).tolist()


@pytest.mark.parametrize(("ranking", "first"), [("entropy", 0), ("confidence", 1), ("margin", 2)])
def test_each_ranking_has_a_first_position_of_its_own(ranking, first):
    """Entropies 0.67, 0.82, 0.93; confidences 0.60, 0.64, 0.62; margins 0.20, 0.34, 0.43."""
    margins = torch.tensor(
        [[0.6, 0.4, 0.0], [0.64, 0.3, 0.06], [0.62, 0.19, 0.19]], dtype=torch.float64
    )
    joint = torch.einsum("a,b,c->abc", *margins)
    assert after_one_pass(joint, EntropyBounded(bound=0.0, ranking=ranking)) == [first]


def test_nothing_is_revealed_beyond_the_current_block():
    predictor, prompt = predictor_for([2] * 4), [2] * 4
    sampler = EntropyBounded(bound=0.5, blocks=LeftToRight(2))
    expected = outcomes_by_recursion(
        predictor, prompt, by_entropy(0.5, "entropy"), candidates=left_to_right(2)
    )
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    assert outcomes == pytest.approx(expected, abs=1e-12)


@every_prompt
def test_at_zero_it_is_one_token_per_pass(prompt):
    def lowest_entropy(probs, drawn, history):
        return [min(probs, key=lambda n: entropy(probs[n]))]

    predictor = predictor_for(prompt)
    outcomes = outcomes_by_enumeration(predictor, EntropyBounded(bound=0.0), prompt)
    expected = outcomes_by_recursion(predictor, prompt, lowest_entropy)
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {prompt.count(predictor.vocab_size)}


def test_at_infinity_it_is_one_pass_of_independent_tokens():
    table = JointTable.random(vocab_size=3, length=3, seed=2)
    outcomes = outcomes_by_enumeration(table, EntropyBounded(bound=math.inf), [3, 3, 3])
    assert of_tokens(outcomes) == pytest.approx(product_of_marginals(table), abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {1}


@pytest.mark.parametrize("ranking", RANKINGS)
def test_what_is_certain_comes_with_one_other_at_zero(ranking):
    """Positions 0 and 2 are certain, 1 and 3 are independent coins, one of them fair."""
    joint = torch.zeros(2, 2, 2, 2, dtype=torch.float64)
    joint[1, :, 0, :] = torch.tensor([[0.1, 0.1], [0.4, 0.4]], dtype=torch.float64)
    sampler = EntropyBounded(bound=0.0, ranking=ranking)
    outcomes = outcomes_by_enumeration(JointTable(joint.log()), sampler, [2] * 4)
    assert {passes for _, passes, *_ in outcomes} == {2}
    for tokens, probability in of_tokens(outcomes).items():
        assert probability == pytest.approx(joint[tokens].item(), abs=1e-12)


@pytest.mark.parametrize(
    ("bound", "num_revealed"), [(0.69, 1), (0.70, 2), (1.38, 2), (1.39, 3), (2.07, 3), (2.08, 4)]
)
def test_copies_share_all_they_say(bound, num_revealed):
    """k copies of a fair coin: sum - max = (k - 1) log 2, which is what they share."""
    joint = torch.zeros(2, 2, 2, 2, dtype=torch.float64)
    joint[0, 0, 0, 0] = joint[1, 1, 1, 1] = 0.5
    assert after_one_pass(joint, EntropyBounded(bound=bound)) == list(range(num_revealed))


def test_the_filter_sharpens_what_is_drawn_and_not_the_entropies():
    predictor, prompt = ArbitraryHybrid(2, 4, seed=3), [2] * 4
    sampler = EntropyBounded(bound=0.3, filter=Filter(temperature=0.0))
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    expected = outcomes_by_recursion(
        predictor, prompt, by_entropy(0.3, "entropy"), filtered=best_only
    )
    assert outcomes == pytest.approx(expected, abs=1e-12)
    ((_, passes, *_),) = outcomes
    assert 1 < passes < 4


columns = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 3), st.booleans()), min_size=1, max_size=8
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(columns, st.floats(0, 6))
def test_the_longest_prefix_within_the_bound_is_chosen(columns, bound):
    scores, entropies, in_window = map(list, zip(*columns, strict=True))
    is_chosen = within_bound(
        torch.tensor([scores], dtype=torch.float64),
        torch.tensor([entropies], dtype=torch.float64),
        torch.tensor([in_window]),
        bound,
    )[0].tolist()
    first = sorted((n for n, real in enumerate(in_window) if real), key=lambda n: (-scores[n], n))
    num_chosen = sum(is_chosen)
    assert {n for n, one in enumerate(is_chosen) if one} == set(first[:num_chosen])
    assert (num_chosen >= 1) == any(in_window)
    prefixes = [[entropies[n] for n in first[:k]] for k in range(1, len(first) + 1)]
    for k, prefix in enumerate(prefixes, start=1):
        if abs(shared(prefix) - bound) > 1e-9:
            assert (shared(prefix) <= bound) == (k <= num_chosen)


def test_a_small_entropy_is_not_lost_to_rounding():
    """(1e-20 + 0.5) - 0.5 is 0 in floating point, and would be within a bound of 0."""
    entropies = torch.tensor([[1e-20, 0.5]], dtype=torch.float64)
    is_chosen = within_bound(-entropies, entropies, torch.ones(1, 2, dtype=torch.bool), 0.0)
    assert is_chosen.tolist() == [[True, False]]


def test_sequences_are_the_same_in_any_batch():
    check_same_in_any_batch(EntropyBounded(bound=0.5))


@pytest.mark.parametrize("bound", [-0.1, float("nan")])
def test_a_bound_below_zero_is_refused(bound):
    with pytest.raises(ConfigError, match="EntropyBounded.bound must be.*0.1 is careful"):
        EntropyBounded(bound=bound)


def test_another_ranking_is_refused():
    sampler = EntropyBounded()
    object.__setattr__(sampler, "ranking", "random")  # past the tests' own check of types
    with pytest.raises(ConfigError, match="'confidence' or 'margin', got 'random'"):
        sampler.__post_init__()
