"""Counted work against numbers worked out by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.reference.random_network import TINY, random_network
from unmask.errors import ConfigError
from unmask.network import attention
from unmask.network.hybrid import HybridTransformer
from unmask.predictors.counter import BlockWork, count_work
from unmask.process import orders

CONFIG = replace(TINY, num_trunk_blocks=3, num_tail_blocks=2)
LENGTH, WIDTH, HIDDEN, VOCAB = 8, 16, 32, 5


def one_pass(network: HybridTransformer) -> None:
    """Three sequences: a draft, four columns, then two columns for two of the three."""
    order = orders.left_to_right(3, LENGTH)
    masked_ids = torch.full((3, LENGTH), VOCAB)
    draft = network.draft(masked_ids, order[:, :4])
    verify(network, draft, order, torch.tensor([0, 0, 0]), num_columns=4)
    draft = network.select(draft, torch.tensor([0, 2]))
    verify(network, draft, order[:2], torch.tensor([2, 1]), num_columns=2)


def verify(network: HybridTransformer, draft, order: Tensor, first: Tensor, num_columns: int):
    filled_ids = torch.zeros_like(order)
    return network.verify(
        draft, filled_ids=filled_ids, order=order, first=first, num_columns=num_columns
    )


def block_flops(*, tokens: int, queries: int, keys: int) -> int:
    """Of one sequence: keys and values of its tokens; queries, scores, mixing, output, MLP."""
    per_query = 2 * WIDTH * WIDTH + 2 * 2 * keys * WIDTH + 2 * WIDTH * WIDTH
    per_query += 2 * 2 * WIDTH * HIDDEN
    return tokens * 2 * WIDTH * 2 * WIDTH + queries * per_query


def other_flops(*, tracks: int, columns: int, drafted: int) -> int:
    """Of one sequence: into the tail, out of it, unembedding."""
    tail = tracks * 2 * 3 * WIDTH * WIDTH + columns * 2 * WIDTH * WIDTH
    return tail + (columns + drafted) * 2 * WIDTH * VOCAB


def test_passes_and_tokens_of_every_block() -> None:
    network = random_network(CONFIG)
    with count_work(network) as work:
        one_pass(network)
    trunk_flops = 3 * block_flops(tokens=8, queries=8, keys=8)
    assert work.trunk.blocks == (BlockWork(1, 3, 3 * 8, trunk_flops),) * 3
    tail_flops = 3 * block_flops(tokens=4, queries=4, keys=4)
    tail_flops += 2 * block_flops(tokens=2, queries=2, keys=4)
    assert work.tail.blocks == (BlockWork(2, 3 + 2, 3 * 4 + 2 * 2, tail_flops),) * 2
    assert (work.trunk.batch_passes, work.tail.batch_passes) == (1, 2)
    assert (work.trunk.sequence_passes, work.tail.sequence_passes) == (3, 5)
    assert (work.trunk.tokens, work.tail.tokens) == (24, 16)
    assert work.nfe == pytest.approx((3 * 3 + 2 * 5) / 5)


def test_only_the_window_asks_in_the_last_block() -> None:
    network = random_network(CONFIG)
    order = orders.left_to_right(1, LENGTH)
    masked_ids = torch.tensor([[0, 0, 0, 0, VOCAB, VOCAB, VOCAB, VOCAB]])
    draft = network.draft(masked_ids, order[:, 4:6])
    with count_work(network) as work:
        verify(network, draft, order, torch.tensor([4]), num_columns=2)
    assert [block.tokens for block in work.tail.blocks] == [6, 2]
    assert work.tail.blocks[0].flops == block_flops(tokens=6, queries=6, keys=6)
    assert work.tail.blocks[1].flops == block_flops(tokens=6, queries=2, keys=6)
    assert work.trunk.blocks == (BlockWork(),) * 3


@pytest.mark.parametrize("most_explicit", [0, 2**25], ids=["fused", "explicit"])
def test_flops_are_those_of_the_matrix_products(monkeypatch, most_explicit: int) -> None:
    monkeypatch.setattr(attention, "_EXPLICIT_DTYPES", {torch.float32, torch.float64})
    monkeypatch.setattr(attention, "_MOST_SCORES", most_explicit)
    network = random_network(CONFIG)
    with count_work(network) as work:
        one_pass(network)
    assert work.trunk.flops == 3 * 3 * block_flops(tokens=8, queries=8, keys=8)
    first, second = {"tokens": 4, "queries": 4, "keys": 4}, {"tokens": 2, "queries": 2, "keys": 4}
    assert work.tail.flops == 2 * (3 * block_flops(**first) + 2 * block_flops(**second))
    others = 3 * other_flops(tracks=4, columns=4, drafted=4)
    others += 2 * other_flops(tracks=2, columns=2, drafted=0)
    assert work.flops == work.trunk.flops + work.tail.flops + others


@pytest.mark.parametrize("most_explicit", [0, 2**25], ids=["fused", "explicit"])
def test_training_counts_whole_sequences(monkeypatch, most_explicit: int) -> None:
    monkeypatch.setattr(attention, "_EXPLICIT_DTYPES", {torch.float32, torch.float64})
    monkeypatch.setattr(attention, "_MOST_SCORES", most_explicit)
    network = random_network(CONFIG)
    order = orders.left_to_right(2, LENGTH)
    token_ids = torch.zeros_like(order)
    with count_work(network) as work:
        draft_logits, target_logits = network(token_ids, token_ids, order)
        forward_flops = work.flops
        (draft_logits.sum() + target_logits.sum()).backward()
    of_one = block_flops(tokens=8, queries=8, keys=8)
    assert [b.flops for b in work.trunk.blocks + work.tail.blocks] == [2 * of_one] * 5
    assert work.nfe == 2
    # Two products backward for each forward; the fused kernel works out its scores once more.
    scores = 2 * 5 * (most_explicit == 0) * 2 * LENGTH * LENGTH * WIDTH
    assert work.flops == 3 * forward_flops + scores


def test_counts_go_on_growing_and_stop_with_the_block() -> None:
    network = random_network(CONFIG)
    with count_work(network) as work:
        assert (work.nfe, work.flops) == (0, 0)
        one_pass(network)
        once = (work.nfe, work.flops)
        one_pass(network)
        assert (work.nfe, work.flops) == (2 * once[0], 2 * once[1])
    one_pass(network)
    assert (work.nfe, work.flops) == (2 * once[0], 2 * once[1])


def test_hooks_are_removed_even_after_an_error() -> None:
    network = random_network(CONFIG)
    with pytest.raises(ZeroDivisionError), count_work(network):
        one_pass(network)
        raise ZeroDivisionError
    for module in network.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_counting_changes_no_number() -> None:
    network = random_network(CONFIG)
    order = orders.left_to_right(1, LENGTH)
    alone = network.draft(torch.full((1, LENGTH), VOCAB), order).log_probs
    with count_work(network):
        assert torch.equal(network.draft(torch.full((1, LENGTH), VOCAB), order).log_probs, alone)


def test_counters_can_be_nested() -> None:
    network = random_network(CONFIG)
    with count_work(network) as outer:
        one_pass(network)
        with count_work(network) as inner:
            one_pass(network)
    assert outer.nfe == 2 * inner.nfe
    assert outer.flops == 2 * inner.flops
    assert outer.tail.flops == 2 * inner.tail.flops


class TrunkOnly(nn.Module):
    """A network that only drafts."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.ModuleList([nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.trunk:
            x = block(x)
        return x


def test_a_network_without_causal_blocks() -> None:
    network = TrunkOnly()
    with count_work(network) as work:
        network(torch.zeros(3, 7, 4))
    assert (work.nfe, work.tail.sequence_passes, work.tail.flops) == (3, 0, 0)
    assert work.flops == work.trunk.flops == 2 * 3 * 7 * 2 * 4 * 4


def test_a_skipped_block_is_not_a_whole_pass() -> None:
    network = TrunkOnly()
    with count_work(network) as work:
        network.trunk[1](torch.zeros(3, 7, 4))
    assert (work.nfe, work.trunk.sequence_passes) == (1.5, 3)


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="work of a Linear: it has no list .* named `trunk`"):
        with count_work(nn.Linear(2, 2)):
            pass


@pytest.mark.parametrize("num_forgotten", [0, 1])
def test_a_sampler_that_miscounts_is_caught(num_forgotten: int) -> None:
    """The audit that samplers are held to: their own statistics against the hooks."""
    network = random_network(CONFIG)
    reported = 3 * (2 - num_forgotten)
    with count_work(network) as work:
        one_pass(network)
        one_pass(network)
    assert (work.trunk.sequence_passes == reported) == (num_forgotten == 0)
