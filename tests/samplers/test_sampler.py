"""The driver: what a sequence becomes and costs depends on its own prompt and stream alone."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.random_network import TINY, random_network
from unmask.batches import join
from unmask.cost import Cost
from unmask.draws import SeededDraws
from unmask.errors import PromptError
from unmask.predictors.markov import MarkovChain
from unmask.process.windows import Cosine, Fixed, Whole
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly

NUM_SEQUENCES = 64
PREDICTORS = {
    "arbitrary": (ArbitraryHybrid(2, 4, seed=0), 4),
    "chain-1": (MarkovChain.random(3, order=1, seed=1), 12),
    "chain-2": (MarkovChain.random(3, order=2, seed=2), 12),
    "network": (random_network(replace(TINY, length=12, num_tail_blocks=2)), 12),
}
"""Each with the length it is asked for."""
SAMPLERS = {
    "self-speculative": SelfSpeculative(window=Cosine(0.3), verify_rounds=2),
    "target-only": TargetOnly(window=Fixed(5)),
    "ancestral": Ancestral(num_steps=6),
}

every_predictor = pytest.mark.parametrize("name", PREDICTORS)
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


def prompts(mask_id, length, num_sequences=NUM_SEQUENCES):
    """Every third is empty, every third begins with a token, every third has a frame."""
    given_ids = torch.full((num_sequences, length), mask_id)
    given_ids[1::3, 0] = 1
    given_ids[2::3, [0, -1]] = torch.tensor([0, 1])
    return given_ids


def drawn(predictor, sampler, given_ids, seeds, batch_size):
    """As one `Samples` after another, the sequences cut into batches."""
    parts = [
        sample(predictor, sampler, ids, SeededDraws(some_seeds.tolist()))
        for ids, some_seeds in zip(
            given_ids.split(batch_size), seeds.split(batch_size), strict=True
        )
    ]
    return {
        "token_ids": torch.cat([part.token_ids for part in parts]),
        **join([part.cost for part in parts]).to_json(),
    }


# Same seed, same sample.


@cache
def all_together(name, sampler):
    """64 sequences with the seeds 0..63 as one batch."""
    predictor, length = PREDICTORS[name]
    given_ids = prompts(predictor.vocab_size, length)
    return drawn(predictor, sampler, given_ids, torch.arange(NUM_SEQUENCES), NUM_SEQUENCES)


def check_rows(name, sampler, rows, batch_size):
    """Some of the sequences, drawn again in batches of another size."""
    predictor, length = PREDICTORS[name]
    given_ids = prompts(predictor.vocab_size, length)[rows]
    again = drawn(predictor, sampler, given_ids, rows, batch_size)
    for what, values in all_together(name, sampler).items():
        assert torch.equal(values[rows], again[what]), what


@every_sampler
@every_predictor
def test_some_sequences_are_the_same_in_any_batch(name, sampler):
    check_rows(name, sampler, torch.arange(21), batch_size=7)
    check_rows(name, sampler, torch.tensor([0, 13, 32, 61]), batch_size=1)
    trunk_passes = all_together(name, sampler)["trunk_passes"]
    assert len(trunk_passes.unique()) > 1 or isinstance(sampler, TargetOnly)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [1, 7])
@every_sampler
@every_predictor
def test_all_sequences_are_the_same_in_any_batch(name, sampler, batch_size):
    check_rows(name, sampler, torch.arange(NUM_SEQUENCES), batch_size)


@every_sampler
@every_predictor
def test_the_order_of_requests_does_not_matter(name, sampler):
    shuffled = SeededDraws([5]).permutation(NUM_SEQUENCES)[0]
    check_rows(name, sampler, shuffled, batch_size=40)


@every_sampler
def test_other_seeds_give_other_samples(sampler):
    predictor, length = PREDICTORS["chain-1"]
    given_ids = torch.full((NUM_SEQUENCES, length), predictor.vocab_size)
    first, second = (
        drawn(predictor, sampler, given_ids, torch.arange(NUM_SEQUENCES) + offset, 64)
        for offset in (0, 64)
    )
    assert not (first["token_ids"] == second["token_ids"]).all(dim=1).any()


# Finished sequences leave.


@every_sampler
def test_finished_sequences_leave_the_batch(sampler):
    predictor, length = PREDICTORS["chain-1"]
    given_ids = prompts(predictor.vocab_size, length)
    seen = []
    sample(
        predictor,
        sampler,
        given_ids,
        SeededDraws(range(NUM_SEQUENCES)),
        observe=lambda state, info, rows: seen.append((state, info, rows)),
    )
    assert len(seen[0][2]) == NUM_SEQUENCES > len(seen[-1][2])
    stayed = torch.arange(NUM_SEQUENCES)
    for state, info, rows in seen:
        assert len(state.token_ids) == len(info.num_revealed) == len(rows)
        assert torch.equal(rows, stayed)
        stayed = rows[~state.is_done]
    assert not len(stayed)


@every_sampler
def test_what_observers_are_told_adds_up_to_the_samples(sampler):
    predictor, length = PREDICTORS["chain-2"]
    given_ids = prompts(predictor.vocab_size, length)
    totals = [Cost.none()] * NUM_SEQUENCES
    final_ids = given_ids.clone()

    def observe(state, info, rows):
        final_ids[rows] = state.token_ids
        for row, cost in zip(rows.tolist(), info.each(), strict=True):
            totals[row] += cost

    samples = sample(predictor, sampler, given_ids, SeededDraws(range(NUM_SEQUENCES)), observe)
    assert torch.equal(samples.token_ids, final_ids)
    assert samples.cost.each() == totals
    assert (samples.seconds > 0).all()


# The ends of what can be asked for.


@every_sampler
def test_a_sequence_with_nothing_masked_is_finished_before_it_starts(sampler):
    predictor = ArbitraryHybrid(2, 4, seed=3)
    given_ids = torch.tensor([[2, 2, 2, 2], [0, 1, 1, 0], [2, 0, 2, 1]])
    samples = sample(predictor, sampler, given_ids, SeededDraws(range(3)))
    assert samples.token_ids[1].tolist() == [0, 1, 1, 0]
    alone = sample(predictor, sampler, given_ids[1:2], SeededDraws([1]))
    assert alone.token_ids.tolist() == [[0, 1, 1, 0]]
    for costs in (samples, alone):
        row = min(1, len(costs.token_ids) - 1)
        assert costs.cost.each()[row] == Cost.none()
    assert (samples.trunk_passes[[0, 2]] > 0).all()


@every_sampler
def test_no_sequences_are_no_samples(sampler):
    nothing = torch.zeros(0, 4, dtype=torch.long)
    samples = sample(ArbitraryHybrid(2, 4, seed=3), sampler, nothing, SeededDraws([]))
    assert samples.token_ids.shape == (0, 4) and samples.trunk_passes.shape == (0,)


def test_what_is_given_is_left_as_it_was():
    given_ids = prompts(2, 4, 6)
    before = given_ids.clone()
    for sampler in SAMPLERS.values():
        sample(ArbitraryHybrid(2, 4, seed=4), sampler, given_ids, SeededDraws(range(6)))
    assert torch.equal(given_ids, before)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_ids_out_of_range_are_refused(wrong):
    given_ids = torch.tensor([[0, 1, 2, 2], [0, 1, wrong, 2]])
    message = rf"in 0\.\.2, where 2 is MASK; sequence 1 holds {wrong} at position 2\. Encode"
    with pytest.raises(PromptError, match=message):
        sample(ArbitraryHybrid(2, 4, seed=0), SelfSpeculative(), given_ids, SeededDraws([0, 1]))


# Laws.

CHAIN = MarkovChain.random(3, order=1, seed=6)
WINDOWS = st.one_of(
    st.builds(Fixed, st.integers(1, 9)), st.builds(Cosine, st.floats(0.05, 1.0)), st.just(Whole())
)
ANY_SAMPLER = st.one_of(
    st.builds(SelfSpeculative, window=WINDOWS, verify_rounds=st.integers(1, 5)),
    st.builds(TargetOnly, window=WINDOWS),
    st.builds(
        Ancestral,
        num_steps=st.integers(1, 12),
        prediction=st.sampled_from(["reused", "fresh"]),
    ),
)
PROMPTS = st.integers(1, 8).flatmap(
    lambda length: st.lists(
        st.lists(st.integers(0, 3), min_size=length, max_size=length), min_size=1, max_size=4
    )
)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(PROMPTS, ANY_SAMPLER, st.integers(0, 10_000))
def test_every_mask_is_replaced_and_accounted_for(rows, sampler, seed):
    given_ids = torch.tensor(rows)
    is_masked = given_ids == 3
    samples = sample(CHAIN, sampler, given_ids, SeededDraws(range(seed, seed + len(rows))))
    assert ((samples.token_ids >= 0) & (samples.token_ids < 3)).all()
    assert torch.equal(samples.token_ids[~is_masked], given_ids[~is_masked])
    num_masked = is_masked.sum(dim=1)
    assert torch.equal(samples.accepted + samples.rejected, num_masked)
    assert torch.equal(samples.trunk_passes > 0, num_masked > 0)
    if not (isinstance(sampler, Ancestral) and sampler.prediction == "fresh"):
        assert (samples.trunk_passes <= num_masked).all()
