"""One account: it adds up, is kept as flat JSON, and is the same by sequence and by batch."""

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.batches import join
from unmask.cost import Cost, Work, mean
from unmask.shapes import PAD

KEYS = [
    "trunk_passes", "tail_passes", "accepted", "rejected", "tail_tokens", "query_tokens",
    "query_keys", "drafter_passes", "drafter_tokens", "drafter_keys",
]  # fmt: skip
numbers = st.integers(0, 10**6)
works = st.builds(Work, numbers, numbers, numbers)
# The pairs of a tail are not counted.
tails = st.builds(Work, numbers, numbers, st.just(0))
costs = st.builds(Cost, works, numbers, numbers, tails, works)


def batch_of(some: list[Cost[int]]) -> Cost[torch.Tensor]:
    columns = zip(*(cost.to_json().values() for cost in some), strict=True)
    return Cost.of_json(dict(zip(KEYS, map(torch.tensor, columns), strict=True)))


@given(costs, costs, st.integers(0, 5))
def test_sums_and_multiples_go_field_by_field(one: Cost, other: Cost, times: int) -> None:
    total, multiple = (one + other).to_json(), (one * times).to_json()
    for key in KEYS:
        assert total[key] == one.to_json()[key] + other.to_json()[key]
        assert multiple[key] == times * one.to_json()[key]
    assert one + Cost.none() == one and (one.trunk + other.trunk) - other.trunk == one.trunk


@given(costs)
def test_json_is_flat_and_gives_the_same_again(cost: Cost) -> None:
    assert list(cost.to_json()) == KEYS and Cost.of_json(cost.to_json()) == cost
    old = {key: value for key, value in cost.to_json().items() if "drafter" not in key}
    assert Cost.of_json({"text": "", **old}) == replace(cost, drafter=Work.none())


@given(st.lists(costs, min_size=1, max_size=4), st.lists(costs, min_size=1, max_size=4))
def test_a_batch_says_of_each_sequence_what_the_sequence_says(some, others) -> None:
    batch = batch_of(some)
    assert batch.each() == some and join([batch, batch_of(others)]).each() == some + others
    nothing = Cost.nothing_yet(batch.accepted)
    assert (nothing + batch).each() == some
    rows = torch.arange(len(some)) * 2 + 1
    spread = batch.trunk.among(rows, 2 * len(some) + 1)
    assert (spread.tokens[rows] == batch.trunk.tokens).all()
    assert spread.tokens.sum() == batch.trunk.tokens.sum()
    exact = sum(cost.num_revealed for cost in some) / len(some)
    assert abs(mean(some).num_revealed - exact) < 1e-6


def test_passes_over_whole_sequences_leave_padding_out() -> None:
    token_ids = torch.tensor([[3, 1, 2], [5, PAD, PAD]])
    cost = Cost.of_passes(torch.tensor([2, 1]), token_ids, torch.tensor([3, 1]))
    assert cost.each() == [Cost(Work(2, 6, 18), 3, 0), Cost(Work(1, 1, 1), 1, 0)]
