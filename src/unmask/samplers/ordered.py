"""The state of samplers that reveal along an order chosen beforehand."""

from dataclasses import dataclass
from typing import Literal, get_args

from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.process import orders
from unmask.shapes import Counts, Order, TokenIds

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


def begin(choice: OrderChoice, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
    """A new order for each sequence, with what is given at its front."""
    batch_size, length = given_ids.shape
    if choice == "left-to-right":
        order = orders.left_to_right(batch_size, length, given_ids.device)
    else:
        order = orders.random(draws, length)
    return start(given_ids, order, mask_id=mask_id)
