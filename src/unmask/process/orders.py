"""In which order the positions of a sequence are revealed.

An order sigma is a permutation of the positions 0..L-1 per sequence: order[b, r] is the
position that sequence b reveals as its r-th. Its inverse is the rank: rank[b, l] says as which
number position l is revealed, so position l is known to a pass that starts at i revealed if

    rank[b, l] < i.

Positions that are known from the start (a prompt, the frame of an infilling) come first.

Source: Campbell et al. (2025), arXiv:2510.03929, section 3; infilling is ours.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.errors import OrderError
from unmask.shapes import Order


def random(draws: Draws, length: int) -> Order:
    """A uniformly random order for each stream of `draws`."""
    return draws.permutation(length)


def spaced(draws: Draws, length: int) -> Order:
    """Neighbours in the order lie far apart in the sequence, as far as that can be kept up.

    The van der Corput sequence 0, 1/2, 1/4, 3/4, 1/8, ... (the bits of 0, 1, 2, ... mirrored at
    the point) times the length, all of it shifted by a random number of positions. Any stretch
    of it is spread about evenly over the sequence.
    """
    shift = draws.permutation(length)[:, :1]
    num_bits = max(1, (length - 1).bit_length())
    numbers = torch.arange(2**num_bits, device=shift.device)
    mirrored = sum((numbers >> bit & 1) << (num_bits - 1 - bit) for bit in range(num_bits))
    assert isinstance(mirrored, Tensor)
    return (mirrored[mirrored < length] + shift) % length


def left_to_right(batch_size: int, length: int, device: torch.device | str = "cpu") -> Order:
    """Reading order, the same for each sequence."""
    return torch.arange(length, device=device).repeat(batch_size, 1)


def given(order: Order) -> Order:
    """An order of the caller's own, once it is known to be one."""
    check_is_permutation(order)
    return order


def given_first(order: Order, is_given: Bool[Tensor, "B L"]) -> Order:
    """The same order with the given positions moved to the front.

    `is_given` is indexed by position. Within the given positions, and within the others, the
    order stays what it was; so a random order of the others stays uniformly random.
    """
    is_given_by_rank = is_given.gather(1, order)
    return order.gather(1, (~is_given_by_rank).long().argsort(dim=1, stable=True))


def inverse(order: Order) -> Int[Tensor, "B L"]:
    """rank[b, l]: as which number, counted from 0, position l is revealed."""
    ranks = torch.arange(order.shape[1], device=order.device, dtype=order.dtype)
    return torch.empty_like(order).scatter_(1, order, ranks.expand_as(order))


def check_is_permutation(order: Int[Tensor, "B L"]) -> None:
    """Raise `OrderError` unless every row visits every position once."""
    length = order.shape[1]
    positions = torch.arange(length, device=order.device)
    is_right = (order.sort(dim=1).values == positions).all(dim=1)
    if is_right.all():
        return
    row = int((~is_right).nonzero()[0])
    missed = min(set(range(length)) - set(order[row].tolist()))
    raise OrderError(
        f"order must visit each of the positions 0 to {length - 1} once in every row; "
        f"row {row} never visits position {missed}. "
        "Build orders with `orders.random(...)` or `orders.left_to_right(...)`, "
        "or turn ranks into an order with `orders.inverse(...)`."
    )
