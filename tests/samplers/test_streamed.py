"""Samplers on a causal trunk: their laws, and a cache that changes nothing but the work."""

from dataclasses import replace

import pytest
import torch

import unmask
from tests.network.test_stream import TINY, random_stream
from tests.reference.law import (
    largest_difference,
    law_by_recursion,
    mean_of,
    outcomes_by_enumeration,
)
from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.process.windows import Fixed, Whole
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.engine import Engine, Request
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.sampler import sample
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.streamed import along_stream
from unmask.samplers.target_only import TargetOnly

SMALL = replace(TINY, vocab_size=2, length=4, width=8, num_trunk_blocks=1, max_window=4)
READING = [0, 1, 2, 3]
LAWS = {
    "1 round": SelfSpeculative(window=Fixed(3), verify_rounds=1, order="left-to-right"),
    "2 rounds": SelfSpeculative(window=Whole(), verify_rounds=2, order="left-to-right"),
    "unsure": SelfSpeculative(window=Fixed(3), threshold=0.6, order="left-to-right"),
    "patience": SelfSpeculative(window=Fixed(4), patience=0.2, order="left-to-right"),
    "target only": TargetOnly(window=Fixed(3), order="left-to-right"),
    "unverified": FixedPartition(window=Fixed(2), order="left-to-right"),
}
SAMPLERS = [
    SelfSpeculative(window=Fixed(4), verify_rounds=2, order="left-to-right"),
    SelfSpeculative(window=Fixed(3), verify_rounds=4, threshold=0.3, order="left-to-right"),
    TargetOnly(window=Fixed(4), order="left-to-right"),
    FixedPartition(window=Fixed(3), order="left-to-right"),
    Lossless(num_tokens=4),
    Lossless(num_tokens=3, drafts="factorised"),
    LosslessBranching(num_tokens=4),
    LosslessBranching(num_tokens=3, drafts="factorised"),
    Autoregressive(),
]
every_sampler = pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)


@pytest.mark.parametrize("given", [[2, 2, 2, 2], [1, 2, 2, 2], [2, 1, 2, 0]], ids=str)
@pytest.mark.parametrize("first_target", ["draft", "stream"])
@pytest.mark.parametrize("sampler", LAWS.values(), ids=LAWS.keys())
def test_likelihood_and_work_are_those_of_the_sampler_with_its_cache(sampler, first_target, given):
    network = random_stream(replace(SMALL, first_target=first_target), seed=1)
    cached = along_stream(sampler, network, torch.tensor(given))
    outcomes = outcomes_by_enumeration(network, cached, given)
    token_ids, total, work = law_by_recursion(network, sampler, given, READING)
    assert largest_difference(outcomes, token_ids, total) < 1e-10
    if isinstance(sampler, TargetOnly):
        return  # its work is not the recursion's (likelihood.work_of)
    for place, values in enumerate([work.trunk_passes, work.tail_passes], start=1):
        mean = (total.exp() * values).sum().item()
        assert mean == pytest.approx(mean_of(outcomes, place), abs=1e-10)


def given_sequences():
    mask = TINY.vocab_size
    generator = torch.Generator().manual_seed(5)
    ids = torch.randint(mask, (5, TINY.length), generator=generator)
    is_given = torch.rand(ids.shape, generator=generator) < torch.tensor(
        [[0.0], [0.3], [0.6], [0.0], [0.9]]
    )
    return ids.masked_fill(~is_given, mask)


@every_sampler
def test_a_cache_changes_no_sample(sampler):
    network = random_stream(TINY, seed=2)
    cached = along_stream(sampler, network, torch.full((TINY.length,), TINY.vocab_size))
    found = [
        sample(network, s, given_sequences(), SeededDraws([1, 2, 3, 4, 5]))
        for s in (sampler, cached)
    ]
    assert torch.equal(found[0].token_ids, found[1].token_ids)
    assert torch.equal(found[0].trunk_passes, found[1].trunk_passes)


@every_sampler
def test_sequences_of_any_length_share_a_batch(sampler):
    network = random_stream(TINY, seed=3)
    cached = along_stream(sampler, network, torch.full((TINY.length,), TINY.vocab_size))
    requests = [
        Request(given_ids=given[:length], sampler=cached, seed=number)
        for number, (given, length) in enumerate(
            zip(given_sequences(), [12, 7, 10, 4, 12], strict=True)
        )
        if (given[:length] == TINY.vocab_size).any()
    ]
    together = {r.request.seed: r for r in Engine(network, num_slots=3).run(requests)}
    assert len(together) == len(requests)
    for request in requests:
        alone = sample(network, sampler, request.given_ids[None], SeededDraws([request.seed]))
        assert torch.equal(alone.token_ids[0], together[request.seed].token_ids)


@every_sampler
def test_the_work_is_what_the_blocks_did(sampler):
    """Tokens by hooks on the blocks; each finished token goes through the trunk once."""
    network = random_stream(TINY, seed=4)
    cached = along_stream(sampler, network, torch.full((TINY.length,), TINY.vocab_size))
    given = torch.full((TINY.length,), TINY.vocab_size)
    with unmask.count_work(network) as work:
        (result,) = Engine(network).run([Request(given_ids=given, sampler=cached, seed=1)])
    assert work.trunk.tokens == result.cost.trunk.tokens
    pairs = result.cost.trunk.pairs
    assert 0 < pairs <= result.cost.trunk.tokens * TINY.length
    if isinstance(sampler, Autoregressive):
        assert result.cost.trunk.tokens == TINY.length
        assert pairs == TINY.length * (TINY.length + 1) // 2


@pytest.mark.parametrize("order", ["random", "spaced", "confident"])
def test_other_orders_are_refused(order):
    network = random_stream(TINY)
    sampler = SelfSpeculative(window=Fixed(2), order=order)
    given = torch.full((1, TINY.length), TINY.vocab_size)
    with pytest.raises(ConfigError, match="left-to-right"):
        sample(network, sampler, given, SeededDraws([0]))


def test_windows_that_were_not_trained_are_refused():
    network = random_stream(TINY)
    sampler = SelfSpeculative(window=Fixed(5), order="left-to-right")
    given = torch.full((1, TINY.length), TINY.vocab_size)
    with pytest.raises(ConfigError, match="window of 5 tokens .* 4 at most"):
        sample(network, sampler, given, SeededDraws([0]))
