"""Samplers that reveal along an order: how it is chosen, and the window that a pass opens.

    random          uniformly random: what models are trained for
    left-to-right   reading order
    spaced          each window spread evenly over the sequence (`process.orders.spaced`)
    confident       the most confident drafts first: a pass that finds nothing chosen ahead of
                    it ranks the masked positions by their largest draft probability and takes
                    as many as its window holds; later passes finish these before new ones are
                    chosen

An order may depend on the tokens that are revealed, never on what has been drafted: a token
that decided where it stands would no longer follow the target. It may not depend on where
passes happened to end either, or the likelihood would have to know: the window is finished
first, so the order is a function of the sequence alone, and the recursion holds.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.batches import OWN_PLACE, Rows, padded_with
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Draft, Predictor
from unmask.predictors.stream import StreamPredictor
from unmask.process import orders
from unmask.process.windows import Window
from unmask.samplers.common import columns
from unmask.samplers.common.columns import WindowColumns
from unmask.shapes import PAD, Counts, Order, TokenIds, WindowLogProbs

OrderChoice = Literal["random", "left-to-right", "spaced", "confident"]


def check_is_choice(order: str) -> None:
    """Raise `ConfigError` unless it is an `OrderChoice`."""
    if order not in get_args(OrderChoice):
        raise ConfigError(
            f"order must be one of {get_args(OrderChoice)}, got {order!r}. 'random' is what "
            "models are trained for."
        )


def choose(choice: OrderChoice, given_ids: TokenIds, draws: Draws) -> Order:
    """An order of all positions for each sequence; of "confident", where it begins."""
    batch_size, length = given_ids.shape
    if choice == "random":
        return orders.random(draws, length)
    if choice == "spaced":
        return orders.spaced(draws, length)
    return orders.left_to_right(batch_size, length, given_ids.device)


@dataclass(frozen=True)
class OrderedState(Rows):
    """order[b, :num_revealed[b]] is revealed, the rest is MASK."""

    token_ids: TokenIds = field(metadata=padded_with(PAD))
    order: Order = field(metadata=padded_with(OWN_PLACE))
    num_revealed: Counts
    num_chosen: Counts
    """order[b, :num_chosen[b]] is settled; what comes later may still be rearranged."""
    length: Counts
    """Positions of each sequence, padding not counted; order[b, length[b]:] is padding."""
    origin: Counts
    """The first position that is wanted."""

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences have nothing masked left."""
        return self.num_revealed == self.length

    def rewritten(self, token_ids: TokenIds, *, mask_id: int) -> "OrderedState":
        """The state with other tokens, for sequences in which no MASK is left."""
        is_over = ~(token_ids == mask_id).any(dim=1)
        num_revealed = torch.where(is_over, self.length, self.num_revealed)
        return replace(self, token_ids=token_ids, num_revealed=num_revealed)


def start(choice: OrderChoice, given_ids: TokenIds, order: Order, *, mask_id: int) -> OrderedState:
    """What is given comes first, then the rest in the given order."""
    is_given = given_ids != mask_id
    num_given = is_given.sum(dim=1)
    length = torch.full_like(num_given, given_ids.shape[1])
    num_chosen = num_given if choice == "confident" else length
    order = orders.given_first(order, is_given)
    origin = is_given.long().cumprod(dim=1).sum(dim=1)
    return OrderedState(given_ids, order, num_given, num_chosen, length, origin)


def begin(choice: OrderChoice, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
    """A new order for each sequence, with what is given at its front."""
    return start(choice, given_ids, choose(choice, given_ids, draws), mask_id=mask_id)


@dataclass(frozen=True)
class Opening:
    """The window that a trunk pass opens."""

    state: OrderedState
    """As before the pass, but that more of the order may be chosen."""
    stop: Counts
    """The place of the order where the window ends."""
    window: WindowColumns
    draft: Draft
    """At the columns of the window."""

    def shortened(self, num_tokens: Counts) -> "Opening":
        """The same with windows of so many tokens, where they had more."""
        first, order = self.state.num_revealed, self.state.order
        stop = torch.minimum(self.stop, first + num_tokens)
        width = int((stop - first).max())
        window = columns.of_order(order, first, stop, width)
        draft = Draft(self.draft.log_probs[:, :width], self.draft.context)
        return Opening(self.state, stop, window, draft)


def num_sure(draft_log_probs: WindowLogProbs, threshold: float) -> Counts:
    """How many drafts come before one, not the first, whose largest probability is lower."""
    is_unsure = draft_log_probs.amax(dim=-1) < math.log(threshold)
    is_unsure[:, :1] = False
    return (is_unsure.cumsum(dim=1) == 0).sum(dim=1)


def check_reads_order(choice: OrderChoice, predictor: Predictor) -> None:
    """Raise `ConfigError` if a predictor does not read an order of this choice."""
    if isinstance(predictor, StreamPredictor) and choice != "left-to-right":
        raise ConfigError(
            f"the order {choice!r} was asked of a model that writes from left to right, behind "
            "what is given. Choose the order left-to-right (--sampler.order left-to-right), or a "
            "model that reads any order, such as text8s-any."
        )


def draft_along(
    choice: OrderChoice,
    predictor: Predictor,
    token_ids: TokenIds,
    order: Order,
    first: Counts,
    window: WindowColumns,
) -> Draft:
    """Drafts of a window that begins at `first`, by whatever the predictor reads."""
    if not isinstance(predictor, StreamPredictor):
        return predictor.draft(token_ids, window.positions)
    check_reads_order(choice, predictor)
    found = predictor.extend(
        token_ids,
        order,
        first=first,
        window=window.in_window.sum(dim=1),
        num_columns=window.in_window.shape[1],
    )
    return found.draft


def open_window(
    choice: OrderChoice, state: OrderedState, predictor: Predictor, window: Window
) -> Opening:
    """One trunk pass, and the window of the order that it may reveal."""
    first, length = state.num_revealed, state.length
    stop = first + window.size(first, length)
    if choice != "confident":
        width = int((stop - first).max())
        opened = columns.of_order(state.order, first, stop, width)
        draft = draft_along(choice, predictor, state.token_ids, state.order, first, opened)
        return Opening(state, stop, opened, draft)
    check_reads_order(choice, predictor)
    num_masked = length - first
    masked = columns.of_order(state.order, first, first + num_masked, int(num_masked.max()))
    draft = predictor.draft(state.token_ids, masked.positions)
    confidence = draft.log_probs.amax(dim=-1).masked_fill(~masked.in_window, -torch.inf)
    falling = confidence.argsort(dim=1, descending=True, stable=True)
    is_open = (state.num_chosen == first)[:, None]
    rank = torch.where(is_open, falling, torch.arange(falling.shape[1], device=first.device))
    places = WindowColumns(
        first[:, None] + torch.arange(rank.shape[1]).to(first), masked.in_window
    )
    order = places.write(state.order, masked.positions.gather(1, rank))
    num_chosen = torch.where(is_open.squeeze(1), stop, state.num_chosen)
    stop = torch.minimum(stop, num_chosen)
    width = int((stop - first).max())
    log_probs = draft.log_probs.take_along_dim(rank[:, :width, None], dim=1)
    return Opening(
        replace(state, order=order, num_chosen=num_chosen),
        stop,
        columns.of_order(order, first, stop, width),
        Draft(log_probs, draft.context),
    )
