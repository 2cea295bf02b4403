"""Target-only sampling; that its law is the limit N >= W is in test_self_speculative.py."""

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import largest_difference, law_by_enumeration, law_by_recursion
from unmask.draws import SeededDraws
from unmask.process.windows import Cosine, Fixed, Whole, starts
from unmask.samplers.sampler import sample
from unmask.samplers.target_only import TargetOnly
from unmask.speculation.filters import Filter

WINDOWS = [Fixed(1), Fixed(4), Cosine(0.4), Whole()]


def drawn(sampler, given, first_target_is_draft, num_sequences=20):
    predictor = ArbitraryHybrid(2, len(given), 0, first_target_is_draft)
    given_ids = torch.tensor([given]).expand(num_sequences, -1)
    return sample(predictor, sampler, given_ids, SeededDraws(range(num_sequences)))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_trunk_pass_per_window_and_a_tail_pass_per_token(window):
    num_windows = len(starts(window, 4))
    samples = drawn(TargetOnly(window=window), [2] * 4, first_target_is_draft=False)
    assert set(samples.trunk_passes.tolist()) == {num_windows}
    assert set(samples.tail_passes.tolist()) == {4}
    assert set(samples.accepted.tolist()) == {4} and not samples.rejected.any()


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_first_target_that_is_the_draft_saves_a_tail_pass_per_window(window):
    num_windows = len(starts(window, 4))
    samples = drawn(TargetOnly(window=window), [2] * 4, first_target_is_draft=True)
    assert set(samples.trunk_passes.tolist()) == {num_windows}
    assert set(samples.tail_passes.tolist()) == {4 - num_windows}


def test_what_is_given_stays_and_costs_nothing():
    samples = drawn(TargetOnly(), [2, 1, 2, 0], first_target_is_draft=False)
    assert samples.token_ids[:, [1, 3]].tolist() == [[1, 0]] * 20
    assert set(samples.trunk_passes.tolist()) == {1} and set(samples.tail_passes.tolist()) == {2}
    assert set(samples.accepted.tolist()) == {2}


def test_reading_order_reveals_from_the_left():
    seen = []
    sample(
        ArbitraryHybrid(2, 4, seed=0),
        TargetOnly(window=Fixed(1), order="left-to-right"),
        torch.tensor([[2, 2, 1, 2]] * 3),
        SeededDraws(range(3)),
        observe=lambda state, info, rows: seen.append((state.token_ids == 2).tolist()),
    )
    assert [masked[0] for masked in seen] == [
        [False, True, False, True],
        [False, False, False, True],
        [False, False, False, False],
    ]


@pytest.mark.parametrize("filter", [Filter(temperature=0.6), Filter(top_p=0.7)], ids=str)
@pytest.mark.parametrize("first_target_is_draft", [True, False])
def test_the_law_under_filters(filter, first_target_is_draft):
    predictor = ArbitraryHybrid(3, 3, 1, first_target_is_draft)
    sampler = TargetOnly(window=Fixed(2), filter=filter)
    outcomes = law_by_enumeration(predictor, sampler, [3, 3, 1], [2, 0, 1])
    token_ids, total, _ = law_by_recursion(predictor, sampler, [3, 3, 1], [2, 0, 1])
    assert largest_difference(outcomes, token_ids, total) < 1e-10
