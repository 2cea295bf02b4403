"""The state of samplers that reveal along an order chosen beforehand."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.process import orders
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowMask

OrderChoice = Literal["random", "left-to-right"]


def check_is_choice(order: str) -> None:
    """Raise `ConfigError` unless it is an `OrderChoice`."""
    if order not in get_args(OrderChoice):
        raise ConfigError(
            f"order must be one of {get_args(OrderChoice)}, got {order!r}. 'random' is what "
            "models are trained for."
        )


@dataclass(frozen=True)
class OrderedState:
    """order[b, :num_revealed[b]] is revealed, the rest is MASK."""

    token_ids: TokenIds
    order: Order
    num_revealed: Counts

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences have nothing masked left."""
        return self.num_revealed == self.order.shape[1]

    def select(self, rows: Int[Tensor, " N"]) -> "OrderedState":
        """The state of some sequences of the batch."""
        return OrderedState(self.token_ids[rows], self.order[rows], self.num_revealed[rows])


def start(given_ids: TokenIds, order: Order, *, mask_id: int) -> OrderedState:
    """What is given comes first, then the rest in the given order."""
    is_given = given_ids != mask_id
    return OrderedState(given_ids, orders.given_first(order, is_given), is_given.sum(dim=1))


def choose(choice: OrderChoice, given_ids: TokenIds, draws: Draws) -> Order:
    """A new order of all positions for each sequence."""
    batch_size, length = given_ids.shape
    if choice == "left-to-right":
        return orders.left_to_right(batch_size, length, given_ids.device)
    return orders.random(draws, length)


@dataclass(frozen=True)
class WindowColumns:
    """The columns of a window of the order: their positions, and which of them are real."""

    positions: WindowIds
    in_window: WindowMask

    def write(self, token_ids: TokenIds, values: WindowIds) -> TokenIds:
        """`token_ids` with `values` at the real columns."""
        length = token_ids.shape[1]
        # What is not real goes to a column of its own that is then cut off.
        index = self.positions.masked_fill(~self.in_window, length)
        padded = torch.cat([token_ids, token_ids[:, :1]], dim=1)
        return padded.scatter(1, index, values)[:, :length]


def columns(order: Order, first: Counts, stop: Counts, width: int) -> WindowColumns:
    """Places first .. first + width - 1 of the order; those from `stop` on are not real."""
    places = first[:, None] + torch.arange(width, device=order.device)
    positions = order.gather(1, places.clamp(max=order.shape[1] - 1))
    return WindowColumns(positions, places < stop[:, None])
