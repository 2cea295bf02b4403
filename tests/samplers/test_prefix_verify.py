"""Judged by the whole network, what is drafted at once follows one token per pass."""

import pytest
import torch

from tests.reference.any_batch import check_same_in_any_batch
from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.law import largest_difference, law_by_enumeration, law_by_recursion
from unmask.draws import SeededDraws
from unmask.process.windows import Cosine, Fixed, Whole
from unmask.samplers import prefix_verify
from unmask.samplers.prefix_verify import PrefixVerify
from unmask.samplers.sampler import sample
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.target_only import TargetOnly
from unmask.speculation.filters import Filter

WINDOWS = [Fixed(1), Fixed(2), Cosine(0.5), Whole()]
FILTERS = [Filter(), Filter(temperature=0.6), Filter(top_p=0.7)]


def difference(predictor, sampler, given, order):
    outcomes = law_by_enumeration(predictor, sampler, given, order)
    one_per_pass = TargetOnly(window=Fixed(1), filter=sampler.filter)
    token_ids, total, _ = law_by_recursion(predictor, one_per_pass, given, order)
    return largest_difference(outcomes, token_ids, total)


@pytest.mark.parametrize("filter", FILTERS, ids=str)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize(
    ("vocab_size", "given", "order"),
    [(2, [2, 2, 2], [0, 1, 2]), (2, [2, 1, 2, 2], [3, 0, 2, 1]), (3, [3, 3, 1], [1, 0, 2])],
)
def test_the_law_is_that_of_one_token_per_pass(vocab_size, given, order, window, filter):
    predictor = ArbitraryHybrid(vocab_size, len(given), seed=3)
    sampler = PrefixVerify(window=window, filter=filter)
    assert difference(predictor, sampler, given, order) < 1e-10


def test_a_verifier_that_is_told_the_token_it_judges_is_noticed(monkeypatch):
    honest = prefix_verify._targets

    def told(predictor, token_ids, window, drafted_ids):
        return honest(predictor, token_ids, window, drafted_ids.roll(1, dims=1))

    monkeypatch.setattr(prefix_verify, "_targets", told)
    predictor = ArbitraryHybrid(2, 3, seed=3)
    assert difference(predictor, PrefixVerify(), [2, 2, 2], [0, 1, 2]) > 1e-3


def test_greedy_it_writes_what_one_token_per_pass_writes_from_left_to_right():
    predictor = ArbitraryHybrid(3, 5, seed=1)
    given_ids = torch.full((4, 5), 3)
    given_ids[:, 2] = torch.tensor([0, 1, 2, 3])
    greedy = Filter(temperature=0.0)
    drawn = [
        sample(predictor, sampler, given_ids, SeededDraws(range(4)))
        for sampler in (
            PrefixVerify(window=Fixed(4), filter=greedy),
            SemiAutoregressive(num_steps=5, block_length=1, filter=greedy),
        )
    ]
    assert drawn[0].token_ids.tolist() == drawn[1].token_ids.tolist()


def test_a_step_waits_for_two_passes_and_runs_a_sequence_for_each_token_of_its_window():
    seen = []
    sample(
        ArbitraryHybrid(2, 5, seed=0),
        PrefixVerify(window=Fixed(3)),
        torch.tensor([[2, 2, 1, 2, 2]]),
        SeededDraws([0]),
        observe=lambda state, info, rows: seen.append(info),
    )
    assert seen[0].trunk.passes.tolist() == [2]
    assert seen[0].trunk.tokens.tolist() == [3 * 5] and seen[0].trunk.pairs.tolist() == [3 * 25]
    assert sum(int(info.num_revealed) for info in seen) == 4
    # A window of one token is settled by its draft.
    alone = PrefixVerify(window=Fixed(1))
    one = sample(ArbitraryHybrid(2, 3, seed=0), alone, torch.tensor([[2, 2, 2]]), SeededDraws([0]))
    assert one.trunk_passes.tolist() == [3]


def test_a_sequence_is_the_same_in_any_batch():
    check_same_in_any_batch(PrefixVerify(window=Fixed(3)))
