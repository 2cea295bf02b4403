"""The tail with windows and a cache says what the tail without them says."""

import itertools
from dataclasses import replace

import pytest
import torch

from tests.reference.random_network import ABLATIONS, TINY, ablation_name, random_network
from tests.reference.uncached_tail import UncachedTail
from unmask.draws import SeededDraws
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.process import orders
from unmask.process.masking import mask_after

LENGTH = TINY.length


def splits(num_tokens: int) -> list[list[int]]:
    """Every way to reveal so many tokens in rounds of at least one: [3], [1, 2], [2, 1], ..."""
    if num_tokens == 0:
        return [[]]
    sizes = range(1, num_tokens + 1)
    return [[size, *rest] for size in sizes for rest in splits(num_tokens - size)]


def random_ids(seed: int, *shape: int) -> torch.Tensor:
    """Token ids, one stream per row."""
    draws = SeededDraws(range(seed, seed + shape[0]))
    probs = torch.ones(*shape, TINY.vocab_size)
    return draws.categorical(probs, torch.ones(shape, dtype=torch.bool))


def largest_difference(
    network: HybridTransformer, *, starts: list[int], rounds: list[list[int]], drop_finished: bool
) -> float:
    """Verify as a sampler would, in both ways; the largest difference between their answers.

    Sequence b starts with starts[b] tokens revealed and moves on by rounds[b][n] after round n:
    the last of these tokens was rejected and replaced, and all after it are drafted anew.
    """
    twin = UncachedTail(network)
    first = torch.tensor(starts)
    end = first + torch.tensor([sum(sizes) for sizes in rounds])
    order = orders.random(SeededDraws(range(len(starts))), LENGTH)
    filled_ids = random_ids(100, len(starts), LENGTH)
    masked_ids = mask_after(filled_ids, order, first, network.config.mask_id)
    positions = order.gather(1, first[:, None])
    draft, twin_draft = network.draft(masked_ids, positions), twin.draft(masked_ids, positions)
    worst = float((draft.log_probs - twin_draft.log_probs).abs().max())

    left = [list(sizes) for sizes in rounds]
    for num_round in itertools.count():
        num_columns = int((end - first).max())
        if num_columns == 0:
            return worst
        window = {"filled_ids": filled_ids, "order": order, "first": first}
        fast = network.verify(draft, **window, num_columns=num_columns)
        slow = twin.verify(twin_draft, **window, num_columns=num_columns)
        is_real = first[:, None] + torch.arange(num_columns) < LENGTH
        worst = max(worst, float((fast - slow)[is_real].abs().max()))

        first = first + torch.tensor([sizes.pop(0) if sizes else 0 for sizes in left])
        is_new = orders.inverse(order) >= first[:, None] - 1
        fresh_ids = random_ids(200 + 100 * num_round, *filled_ids.shape)
        filled_ids = torch.where(is_new & (first < end)[:, None], fresh_ids, filled_ids)
        if drop_finished:
            rows = (first < end).nonzero()[:, 0]
            draft, twin_draft = network.select(draft, rows), twin.select(twin_draft, rows)
            order, filled_ids = order[rows], filled_ids[rows]
            first, end, left = first[rows], end[rows], [left[row] for row in rows]
            if len(rows) == 0:
                return worst
    raise AssertionError("unreachable")


@pytest.mark.parametrize("drop_finished", [False, True], ids=["keep", "select"])
@pytest.mark.parametrize("num_tail_blocks", [1, 2])
def test_every_way_of_splitting_a_window(num_tail_blocks: int, drop_finished: bool) -> None:
    """64 sequences at once: 16 ways to split 5 tokens, from 4 places each."""
    ways = splits(5)
    network = random_network(replace(TINY, num_tail_blocks=num_tail_blocks))
    difference = largest_difference(
        network,
        starts=[start for start in (3, 2, 1, 0) for _ in ways],
        rounds=ways * 4,
        drop_finished=drop_finished,
    )
    assert difference < 1e-10


@pytest.mark.parametrize("config", ABLATIONS, ids=ablation_name)
def test_every_ablation(config: HybridConfig) -> None:
    difference = largest_difference(
        random_network(config),
        starts=[6, 3, 1, 0],
        rounds=[[1, 1], [2, 1, 2], [3, 1], [1, 2, 1]],
        drop_finished=True,
    )
    assert difference < 1e-10


@pytest.mark.parametrize("drop_finished", [False, True], ids=["keep", "select"])
def test_sequences_that_run_ahead_of_the_first_window(drop_finished: bool) -> None:
    """The slowest sequence sets the number of columns, so others ask past what is cached."""
    difference = largest_difference(
        random_network(replace(TINY, num_tail_blocks=2)),
        starts=[0, 0, 1],
        rounds=[[3, 1], [1, 1, 1, 1], [1, 1, 2]],
        drop_finished=drop_finished,
    )
    assert difference < 1e-10


def test_columns_that_no_call_asked_for() -> None:
    """`first` may move on past the last column verified, by a different number per sequence."""
    network = random_network(replace(TINY, num_tail_blocks=2))
    twin = UncachedTail(network)
    order = orders.random(SeededDraws(range(4)), LENGTH)
    filled_ids = random_ids(0, 4, LENGTH)
    masked_ids = mask_after(filled_ids, order, torch.tensor([2, 2, 2, 2]), TINY.mask_id)
    draft = network.draft(masked_ids, order[:, 2:3])
    twin_draft = twin.draft(masked_ids, order[:, 2:3])
    for rows, first in (
        (torch.tensor([0, 1, 2, 3]), torch.tensor([2, 3, 2, 5])),
        (torch.tensor([3, 2, 0]), torch.tensor([6, 6, 4])),
        (torch.tensor([0, 2]), torch.tensor([7, 7])),
    ):
        draft, twin_draft = network.select(draft, rows), twin.select(twin_draft, rows)
        order, filled_ids = order[rows], filled_ids[rows]
        columns = {"filled_ids": filled_ids, "order": order, "first": first, "num_columns": 1}
        expected = twin.verify(twin_draft, **columns)
        torch.testing.assert_close(network.verify(draft, **columns), expected, atol=1e-10, rtol=0)
