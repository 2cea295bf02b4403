"""Sequences of different lengths laid in rows of one width, so that a pass has little padding.

    batch    a a a . .      rows   a a a c c      A token sees the tokens of its own sequence.
             b b b b .             b b b b .      Where in its row it stands does not matter to
             c c . . .                            it: rotations are relative.

The longest are placed first, each where the least room is left (best fit, decreasing), as in
Krell et al. (2021), arXiv:2107.02027.
"""

import bisect
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.shapes import Counts

_ROWS_AT_ONCE = 8  # so that there are few shapes to compile for


@dataclass(frozen=True)
class Packing:
    """Which token of a padded batch stands where in the rows, and the other way round."""

    source: Int[Tensor, "R W"]
    """The token that stands there, b * L + s; 0 where none does."""
    owner: Int[Tensor, "R W"]
    """The sequence it is of; -1 where none stands."""
    place: Int[Tensor, "B L"]
    """Where each token stands, r * W + w; 0 for what is not there."""


def pack(lengths: Counts, padded_length: int, width: int) -> Packing:
    """For a batch padded behind its sequences, in rows of this width, at least the longest's.

    Filled up with empty rows to a multiple of eight.
    """
    free: list[tuple[int, int]] = []  # room, and where it begins, of each row; the least first
    starts: list[int] = []
    num_rows = 0
    longest_first = lengths.argsort(descending=True, stable=True)
    for length in lengths[longest_first].tolist():
        fitting = bisect.bisect_left(free, (length, 0))
        if fitting == len(free):
            room, start, num_rows = width, num_rows * width, num_rows + 1
        else:
            room, start = free.pop(fitting)
        starts.append(start)
        bisect.insort(free, (room - length, start + length))
    num_rows = -(-num_rows // _ROWS_AT_ONCE) * _ROWS_AT_ONCE
    start_of = torch.empty_like(lengths)
    start_of[longest_first] = torch.tensor(starts, dtype=lengths.dtype)
    column = torch.arange(padded_length)
    is_there = column < lengths[:, None]
    place = (start_of[:, None] + column).masked_fill(~is_there, 0)
    tokens = is_there.flatten().nonzero().squeeze(1)
    source = torch.zeros(num_rows * width, dtype=torch.long)
    owner = torch.full_like(source, -1)
    source[place.flatten()[tokens]] = tokens
    owner[place.flatten()[tokens]] = tokens // padded_length
    return Packing(source.view(num_rows, width), owner.view(num_rows, width), place)
