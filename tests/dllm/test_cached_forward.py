"""Passes over some tokens: against the slow twin, alone and in batches, with padding."""

import pytest
import torch

from tests.dllm.small import CONFIGS, random_network
from tests.reference.slow_cached_forward import SlowMemory
from unmask.predictors.kv_cache import KVCache
from unmask.shapes import PAD

MASK = 64
PASSES = [  # tokens as they stand, what is run, and where a prediction is wanted
    ([5, MASK, 9, MASK, MASK, 2], [0, 1, 2, 3, 4, 5], [1, 3]),
    ([5, 7, 9, MASK, MASK, 2], [1, 2, 3, 4], [3, 4]),
    ([5, 7, 9, MASK, 8, 2], [3, 2], [3, 3]),
    ([5, 7, 9, MASK, 8, 2], [], [3, 4]),
]


def as_mask(places: list[int], length: int = 6) -> torch.Tensor:
    return torch.tensor([[p in places for p in range(length)]])


@pytest.mark.parametrize("family", CONFIGS)
def test_every_pass_says_what_the_slow_twin_says(family: str) -> None:
    network = random_network(CONFIGS[family])
    slow = SlowMemory(network)
    memory = KVCache.blank(network.kv_cache_shape, torch.tensor([PASSES[0][0]]))
    for token_ids, queries, wanted in PASSES:
        ids = torch.tensor([token_ids])
        found = network.forward_cached(
            ids, torch.tensor([wanted]), is_query=as_mask(queries), memory=memory
        )
        memory = found.memory
        slow.run(token_ids, queries)
        for column, position in enumerate(wanted):
            expected = slow.log_probs(token_ids, position)
            torch.testing.assert_close(found.draft.log_probs[0, column], expected)
        assert found.work.tokens.tolist() == [len(queries)]
        assert found.work.pairs.tolist() == [len(queries) * 6]
    assert memory.run_ids.tolist() == [[5, 7, 9, MASK, MASK, 2]]


def test_what_was_never_run_is_not_attended_to() -> None:
    network = random_network(CONFIGS["llada"])
    token_ids, slow = PASSES[0][0], SlowMemory(network)
    ids = torch.tensor([token_ids])
    memory = KVCache.blank(network.kv_cache_shape, ids)
    found = network.forward_cached(
        ids, torch.tensor([[1]]), is_query=as_mask([0, 1]), memory=memory
    )
    slow.run(token_ids, [0, 1])
    torch.testing.assert_close(found.draft.log_probs[0, 0], slow.log_probs(token_ids, 1))
    assert found.work.pairs.tolist() == [4]


@pytest.mark.parametrize("family", CONFIGS)
def test_running_everything_is_a_whole_pass(family: str) -> None:
    network = random_network(CONFIGS[family])
    ids, positions = torch.tensor([PASSES[0][0]]), torch.tensor([[1, 4]])
    memory = KVCache.blank(network.kv_cache_shape, ids)
    found = network.forward_cached(ids, positions, is_query=ids != PAD, memory=memory)
    torch.testing.assert_close(found.draft.log_probs, network.draft(ids, positions).log_probs)


@pytest.mark.parametrize("family", CONFIGS)
def test_a_sequence_says_in_a_batch_what_it_says_alone(family: str) -> None:
    """Sequences of other lengths, that run more or fewer tokens, padded on either side."""
    network = random_network(CONFIGS[family])
    rows = [
        ([PAD, PAD, 5, MASK, 9, MASK], [[2, 3, 4, 5], [3, 5], [5]]),
        ([1, MASK, 3, MASK, 4, 6], [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], [1, 3, 5, 0]]),
        ([8, MASK, MASK, 7, PAD, PAD], [[0, 1, 2, 3], [2], [0, 1, 2, 3]]),
    ]
    ids = torch.tensor([row for row, _ in rows])
    positions = torch.tensor([[3, 5], [1, 3], [1, 2]])
    memory = KVCache.blank(network.kv_cache_shape, ids)
    alone = [memory.select(torch.tensor([row])) for row in range(3)]
    for number in range(3):
        is_query = torch.cat([as_mask(queries[number]) for _, queries in rows])
        found = network.forward_cached(ids, positions, is_query=is_query, memory=memory)
        memory = found.memory
        for row in range(3):
            own = network.forward_cached(
                ids[row : row + 1],
                positions[row : row + 1],
                is_query=is_query[row : row + 1],
                memory=alone[row],
            )
            alone[row] = own.memory
            log_probs = found.draft.log_probs[row : row + 1]
            torch.testing.assert_close(log_probs, own.draft.log_probs)
            assert found.work.tokens[row] == own.work.tokens[0]
            assert found.work.pairs[row] == own.work.pairs[0]


def test_the_work_that_is_told_is_the_work_that_is_done() -> None:
    """Against what really goes through the attention of each block."""
    network = random_network(CONFIGS["llada"])
    seen = []

    def note(module, arguments) -> None:
        x, around, _ = arguments
        seen.append((x.shape[1], int(around.visible.sum())))

    network.blocks[0].attention.register_forward_pre_hook(note)
    ids = torch.tensor([PASSES[0][0]])
    memory = KVCache.blank(network.kv_cache_shape, ids)
    for _, queries, _ in PASSES:
        found = network.forward_cached(
            ids, torch.tensor([[1]]), is_query=as_mask(queries), memory=memory
        )
        memory = found.memory
        if queries:
            num_queries, num_keys = seen.pop()
            assert found.work.tokens.item() == num_queries
            assert found.work.pairs.item() == num_queries * num_keys
        assert not seen
