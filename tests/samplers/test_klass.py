"""KLASS against a plain recursion that keeps every prediction, and its limits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import mean_of, outcomes_by_enumeration
from tests.reference.reveal_recursion import (
    best_only,
    left_to_right,
    one_per_pass,
    outcomes_by_recursion,
    surest,
)
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.predictors.table import JointTable
from unmask.process.blocks import LeftToRight
from unmask.samplers.common.columns import WindowColumns
from unmask.samplers.common.masked_state import Prediction
from unmask.samplers.klass import Klass, movement
from unmask.samplers.sampler import sample
from unmask.speculation.filters import Filter

every_prompt = pytest.mark.parametrize("prompt", [[2, 2, 2, 2], [2, 2, 1, 2]], ids=str)


class Drifting(ArbitraryHybrid):
    """As arbitrary, but near a fair coin: predictions move, by about as much as the bounds."""

    def draft(self, token_ids, positions):
        draft = super().draft(token_ids, positions)
        log_probs = (0.3 * draft.log_probs).log_softmax(dim=-1)
        return type(draft)(log_probs, draft.context)


PREDICTOR = Drifting(2, 4, seed=0)


def divergence(now, before):
    return sum(p * math.log(p / q) for p, q in zip(now, before, strict=True) if p)


def is_stable(n, predictions, kl_bound, history):
    """Whether the last `history` divergences at n exist and are all below the bound."""
    at_n = [probs.get(n) for probs in predictions][-history - 1 :]
    pairs = list(zip(at_n[1:], at_n[:-1], strict=True))
    return len(pairs) == history and all(
        before is not None and divergence(now, before) < kl_bound for now, before in pairs
    )


def by_klass(threshold, kl_bound, history, fallback=1):
    def rule(probs, drawn, earlier):
        ready = [
            n
            for n, token in drawn.items()
            if probs[n][token] > threshold and is_stable(n, [*earlier, probs], kl_bound, history)
        ]
        return ready or surest(probs, drawn, fallback)

    return rule


@every_prompt
@pytest.mark.parametrize("history", [1, 2])
@pytest.mark.parametrize("kl_bound", [0.06, 0.1])
def test_the_law_is_that_of_the_recursion(prompt, kl_bound, history):
    sampler = Klass(threshold=0.4, kl_bound=kl_bound, history=history)
    outcomes = outcomes_by_enumeration(PREDICTOR, sampler, prompt)
    expected = outcomes_by_recursion(PREDICTOR, prompt, by_klass(0.4, kl_bound, history))
    assert outcomes == pytest.approx(expected, abs=1e-12)


def test_bound_and_history_matter_to_these_laws():
    """Each other choice has another number of passes, and none is one token per pass."""
    means = {
        (kl_bound, history): mean_of(
            outcomes_by_enumeration(
                PREDICTOR, Klass(threshold=0.4, kl_bound=kl_bound, history=history), [2] * 4
            ),
            1,
        )
        for kl_bound in (0.06, 0.1, math.inf)
        for history in (1, 2)
    }
    assert len({round(mean, 6) for mean in means.values()}) == len(means)
    assert max(means.values()) < 4 - 1e-3


def test_each_block_has_a_history_of_its_own():
    sampler = Klass(threshold=0.4, kl_bound=0.1, history=1, blocks=LeftToRight(3))
    predictor = Drifting(2, 6, seed=1)
    prompt = [2, 2, 2, 0, 2, 2]
    outcomes = outcomes_by_enumeration(predictor, sampler, prompt)
    expected = outcomes_by_recursion(
        predictor, prompt, by_klass(0.4, 0.1, 1), candidates=left_to_right(3)
    )
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert len({passes for _, passes, *_ in outcomes}) > 1


def test_the_filter_sharpens_what_is_drawn_and_not_the_predictions():
    sampler = Klass(threshold=0.4, kl_bound=0.1, history=1, filter=Filter(temperature=0.0))
    outcomes = outcomes_by_enumeration(PREDICTOR, sampler, [2] * 4)
    expected = outcomes_by_recursion(PREDICTOR, [2] * 4, by_klass(0.4, 0.1, 1), filtered=best_only)
    assert outcomes == pytest.approx(expected, abs=1e-12)


# Limits.


@every_prompt
@pytest.mark.parametrize("history", [1, 2])
def test_without_a_bound_it_is_the_threshold_rule_after_as_many_passes(prompt, history):
    def rule(probs, drawn, earlier):
        sure = {n for n in drawn if probs[n][drawn[n]] >= 0.55}
        most = set(surest(probs, drawn))
        return sure | most if len(earlier) >= history else most

    sampler = Klass(threshold=0.55, kl_bound=math.inf, history=history)
    outcomes = outcomes_by_enumeration(PREDICTOR, sampler, prompt)
    expected = outcomes_by_recursion(PREDICTOR, prompt, rule)
    assert outcomes == pytest.approx(expected, abs=1e-12)


@every_prompt
@pytest.mark.parametrize(
    "sampler",
    [Klass(threshold=0.0, kl_bound=0.0, history=1), Klass(threshold=1.5, kl_bound=math.inf)],
    ids=["bound-0", "threshold-above-1"],
)
def test_a_bound_of_zero_or_a_threshold_above_one_is_one_token_per_pass(prompt, sampler):
    outcomes = outcomes_by_enumeration(PREDICTOR, sampler, prompt)
    expected = outcomes_by_recursion(PREDICTOR, prompt, one_per_pass)
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {prompt.count(2)}


def test_a_larger_fallback_reveals_as_many_as_are_left():
    def rule(probs, drawn, earlier):
        return surest(probs, drawn, 3)

    outcomes = outcomes_by_enumeration(PREDICTOR, Klass(threshold=1.5, fallback=3), [2] * 4)
    expected = outcomes_by_recursion(PREDICTOR, [2] * 4, rule)
    assert outcomes == pytest.approx(expected, abs=1e-12)
    assert {passes for _, passes, *_ in outcomes} == {2}


@pytest.mark.parametrize("history", [1, 2, 3])
@pytest.mark.parametrize("kl_bound", [0.0, 1e-6, math.inf])
def test_predictions_that_never_move_are_ready_when_they_have_a_history(history, kl_bound):
    """Independent tokens: one token in each of the first passes, then all that are left."""
    margins = torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7], [0.5, 0.5], [0.2, 0.8]]).double()
    table = JointTable(torch.einsum("a,b,c,d,e->abcde", *margins).log())
    sampler = Klass(threshold=0.0, kl_bound=kl_bound, history=history)
    samples = sample(table, sampler, torch.full((50, 5), 2), SeededDraws(range(50)))
    assert set(samples.trunk_passes.tolist()) == {history + 1 if kl_bound else 5}


@pytest.mark.parametrize("history", [1, 2])
def test_sequences_are_the_same_in_any_batch(history):
    check_same_in_any_batch(Klass(threshold=0.3, kl_bound=0.2, history=history))


# How far a prediction has moved.


def prediction(positions, in_window, probs):
    window = WindowColumns(torch.tensor([positions]), torch.tensor([in_window]))
    return Prediction(window, torch.tensor([probs], dtype=torch.float64).log())


def test_movement_is_looked_up_by_position():
    before = prediction([1, 4, 6], [True, True, False], [[0.5, 0.5], [0.2, 0.8], [0.3, 0.7]])
    now = prediction([4, 5, 6], [True, True, True], [[0.6, 0.4], [0.3, 0.7], [0.3, 0.7]])
    expected = [0.6 * math.log(0.6 / 0.2) + 0.4 * math.log(0.4 / 0.8), math.inf, math.inf]
    assert movement(now, before, length=7)[0].tolist() == pytest.approx(expected)


def test_what_is_impossible_now_does_not_move_and_what_was_impossible_moves_without_bound():
    before = prediction([0, 1, 2], [True] * 3, [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    now = prediction([0, 1, 2], [True] * 3, [[1.0, 0.0, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]])
    assert movement(now, before, length=3)[0].tolist() == pytest.approx([math.log(2), math.inf, 0])


weights = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(weights, weights)
def test_movement_is_the_divergence(now, before):
    now, before = ([w / sum(ws) for w in ws] for ws in (now, before))
    found = movement(prediction([0], [True], [now]), prediction([0], [True], [before]), length=1)
    assert found.item() == pytest.approx(divergence(now, before), abs=1e-12)


def test_rounding_does_not_make_it_negative():
    """Or a bound of 0 would hold. These pairs differ by about one unit in the last place."""
    probs = torch.linspace(0.1, 0.9, 50, dtype=torch.float64)
    now, before = (torch.stack([p, 1 - p], dim=-1).tolist() for p in (probs, probs + 1e-16))
    positions, are_real = list(range(50)), [True] * 50
    found = movement(
        prediction(positions, are_real, now), prediction(positions, are_real, before), length=50
    )
    assert (found >= 0).all() and found.max() < 1e-15


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": -0.1}, "Klass.threshold must be.*0.6 is a good start"),
        ({"threshold": math.nan}, "Klass.threshold must be"),
        ({"kl_bound": -1e-9}, "Klass.kl_bound must be.*inf asks nothing"),
        ({"kl_bound": math.nan}, "Klass.kl_bound must be"),
        ({"history": 0}, "Klass.history must be at least 1, got 0.*use `Threshold"),
        ({"fallback": 0}, "Klass.fallback must be at least 1, got 0"),
    ],
    ids=str,
)
def test_a_field_out_of_its_range_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        Klass(**fields)
