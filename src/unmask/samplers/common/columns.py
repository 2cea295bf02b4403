"""The positions a step is about, as the columns of a batch of windows.

Sequences of a batch want different positions, and different numbers of them. Column k of row b
is a position of sequence b; columns that are not real pad the shorter rows.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.batches import Rows, padded_with
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowMask


@dataclass(frozen=True)
class WindowColumns(Rows):
    """The columns of a window: their positions, and which of them are real."""

    positions: WindowIds = field(metadata=padded_with(0))
    in_window: WindowMask = field(metadata=padded_with(False))

    def write(self, token_ids: TokenIds, values: WindowIds) -> TokenIds:
        """`token_ids` with `values` at the real columns."""
        length = token_ids.shape[1]
        # What is not real goes to a column of its own that is then cut off.
        index = self.positions.masked_fill(~self.in_window, length)
        padded = torch.cat([token_ids, token_ids[:, :1]], dim=1)
        return padded.scatter(1, index, values)[:, :length]


def of_order(order: Order, first: Counts, stop: Counts, width: int) -> WindowColumns:
    """Places first .. first + width - 1 of the order; those from `stop` on are not real."""
    places = first[:, None] + torch.arange(width, device=order.device)
    positions = order.gather(1, places.clamp(max=order.shape[1] - 1))
    return WindowColumns(positions, places < stop[:, None])


def of_positions(is_wanted: Bool[Tensor, "B L"]) -> WindowColumns:
    """The wanted positions of each row in reading order; at least one column."""
    width = max(1, int(is_wanted.sum(dim=1).max()))
    positions = (~is_wanted).long().argsort(dim=1, stable=True)[:, :width]
    return WindowColumns(positions, is_wanted.gather(1, positions))
