"""Selecting, joining and padding, whatever the batch is made of."""

from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.batches import OWN_PLACE, Rows, join, padded_with
from unmask.process import orders
from unmask.shapes import PAD, Counts, Order, TokenIds


@dataclass(frozen=True)
class Inner(Rows):
    weight: torch.Tensor = field(metadata=padded_with(0.5))


@dataclass(frozen=True)
class Batch(Rows):
    token_ids: TokenIds = field(metadata=padded_with(PAD))
    order: Order = field(metadata=padded_with(OWN_PLACE))
    count: Counts
    inner: Inner
    shared: int


def batch(num: int, length: int, start: int = 0, shared: int = 3) -> Batch:
    token_ids = start + torch.arange(num * length).reshape(num, length)
    order = orders.left_to_right(num, length).flip(1)
    weight = token_ids.double()[..., None].expand(-1, -1, 2)
    return Batch(token_ids, order, token_ids[:, 0], Inner(weight), shared)


def test_rows_are_selected_in_every_part():
    some = batch(3, 2).select(torch.tensor([2, 0]))
    assert some.token_ids.tolist() == [[4, 5], [0, 1]]
    assert some.count.tolist() == [4, 0]
    assert some.inner.weight[:, 0, 0].tolist() == [4, 0]
    assert some.shared == 3


def test_shorter_rows_are_padded():
    both = join([batch(1, 2), batch(1, 4, start=10)])
    assert both.token_ids.tolist() == [[0, 1, PAD, PAD], [10, 11, 12, 13]]
    assert both.order.tolist() == [[1, 0, 2, 3], [3, 2, 1, 0]]
    assert both.inner.weight[0, :, 1].tolist() == [0, 1, 0.5, 0.5]
    assert both.count.tolist() == [0, 10]


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_what_is_joined_is_still_there(lengths):
    parts = [batch(2, length, start=100 * n) for n, length in enumerate(lengths)]
    together = join(parts)
    orders.check_is_permutation(together.order)
    for n, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        own = together.select(torch.tensor([2 * n, 2 * n + 1]))
        assert torch.equal(own.token_ids[:, :length], part.token_ids)
        assert torch.equal(own.order[:, :length], part.order)
        assert torch.equal(own.inner.weight[:, :length], part.inner.weight)
        assert (own.token_ids[:, length:] == PAD).all()


def test_batches_of_different_settings_are_not_joined():
    with pytest.raises(AssertionError, match="different settings"):
        join([batch(1, 2), batch(1, 2, shared=4)])
