"""One set of passes for many samplers, against tables made for each."""

import math

import pytest
import torch

from tests.reference.arbitrary_hybrid import ArbitraryHybrid
from tests.reference.random_network import TINY, random_network
from unmask.draws import SeededDraws
from unmask.evaluation.bits import score
from unmask.evaluation.sampler_likelihood import SamplerLikelihoods
from unmask.process.windows import Cosine, Fixed, Linear, Whole
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.likelihood import law_of, order_for, pass_tables, work_of
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.speculation.filters import Filter
from unmask.speculation.likelihood import log_likelihood

NETWORK = random_network(TINY, seed=1)
LENGTH = TINY.length
SAMPLERS = [
    SelfSpeculative(window=Cosine(0.3), verify_rounds=2),
    SelfSpeculative(window=Whole(), verify_rounds=1),
    SelfSpeculative(window=Linear(0.4), verify_rounds=3),
    TargetOnly(window=Fixed(3)),
    SelfSpeculative(window=Cosine(0.3), order="spaced"),
    SelfSpeculative(window=Cosine(0.3), order="confident"),
    SelfSpeculative(window=Whole(), patience=0.3),
    SelfSpeculative(window=Whole(), threshold=0.97),
    SelfSpeculative(window=Fixed(3), filter=Filter(temperature=0.6)),
    FixedPartition(window=Fixed(3)),
]


def sequences(num_sequences=5):
    draws = SeededDraws(range(num_sequences))
    given_ids = torch.full((num_sequences, LENGTH), TINY.vocab_size)
    return sample(NETWORK, SelfSpeculative(), given_ids, draws).token_ids


def directly(sampler, token_ids, seed):
    law = law_of(sampler, LENGTH)
    order = order_for(sampler, token_ids, seed=seed, number=0)
    num_given = torch.zeros_like(token_ids[:, 0])
    tables = pass_tables(NETWORK, law, token_ids, order, num_given)
    is_known = NETWORK.first_target_is_draft
    work = work_of(sampler, tables, num_given, first_target_is_draft=is_known)
    return log_likelihood(tables, law.verify_rounds, num_given), work


def test_every_law_is_the_one_of_its_own_tables():
    token_ids = sequences()
    laws = SamplerLikelihoods(NETWORK, token_ids, seed=3)
    exactly = {"atol": 1e-10, "rtol": 0.0}
    for sampler in SAMPLERS:
        shared, (nats, work) = laws.emission(sampler), directly(sampler, token_ids, 3)
        torch.testing.assert_close(shared.nats, nats, **exactly)
        for name in ("trunk_passes", "tail_passes", "acceptance"):
            torch.testing.assert_close(getattr(shared.work, name), getattr(work, name), **exactly)


def test_samplers_that_differ_in_window_and_rounds_share_their_passes():
    laws, made = SamplerLikelihoods(NETWORK, sequences(), batch_size=7), []
    for sampler in SAMPLERS:
        expected, before = laws.num_passes(sampler), sum(made)
        laws.emission(sampler, made.append)
        assert sum(made) - before == expected
    own = 5 * LENGTH
    # random orders once; spaced, confident, patient, sure and filtered; and the groups of three.
    assert sum(made) == own * 6 + 5 * math.ceil(LENGTH / 3)


def test_the_mean_is_what_score_says():
    token_ids = sequences()
    for sampler in SAMPLERS:
        found = SamplerLikelihoods(NETWORK, token_ids, seed=5).emission(sampler)
        scored = score(NETWORK, sampler, token_ids, seed=5).summary()
        bits = -found.nats / (LENGTH * math.log(2))
        assert scored.likelihood.value == pytest.approx(bits.mean().item(), abs=1e-10)
        assert scored.trunk_passes == pytest.approx(found.work.trunk_passes.mean().item())
        assert scored.tail_passes == pytest.approx(found.work.tail_passes.mean().item())
        is_partition = isinstance(sampler, FixedPartition)
        assert math.isnan(scored.diffusion.value) == is_partition


@pytest.mark.parametrize("first_target_is_draft", [True, False])
def test_the_work_of_target_only_sampling_is_the_one_it_does(first_target_is_draft):
    """A tail pass for each token, not for each rejection there would have been."""
    predictor = ArbitraryHybrid(2, 4, 0, first_target_is_draft)
    for window in (Fixed(1), Fixed(3), Whole()):
        sampler = TargetOnly(window=window)
        given_ids = torch.tensor([[2, 2, 1, 2]] * 6)
        samples = sample(predictor, sampler, given_ids, SeededDraws(range(6)))
        state = sampler.init(given_ids, mask_id=2, draws=SeededDraws(range(6)))
        tables = pass_tables(
            predictor, law_of(sampler, 4), samples.token_ids, state.order, state.num_revealed
        )
        work = work_of(
            sampler, tables, state.num_revealed, first_target_is_draft=first_target_is_draft
        )
        counted = samples.trunk_passes.double(), samples.tail_passes.double()
        torch.testing.assert_close((work.trunk_passes, work.tail_passes), counted)
        torch.testing.assert_close(work.acceptance.sum(dim=1), samples.accepted.double())
