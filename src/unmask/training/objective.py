"""What is minimised: the cross-entropy of draft and of target on the masked tokens.

    L = E_{x, sigma, i} [ 1/(D - i) sum_{d > i}  - log draft(x_sigma(d) | x_sigma(1..i))
                                                 - log target(x_sigma(d) | x_sigma(1..d-1)) ]

with i uniform on 0..D-1. D times the first half is the bound of masked diffusion on
-log p(x), D times the second a random-order autoregressive one; both per token as written.
They weigh the same and come from one pass through the network. Where the first target of a pass
is its draft (`first_target`), the draft's loss at d = i + 1 stands in both halves.

Source: Campbell et al. (2025), arXiv:2510.03929, section 3.2.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.draws import SeededDraws
from unmask.process import masking
from unmask.process.orders import left_to_right
from unmask.shapes import Counts, Order, TokenIds
from unmask.training.config import Orders


@dataclass(frozen=True)
class Losses:
    """Nats per token of draft and target, one entry per sequence: unbiased for the bounds."""

    draft: Float[Tensor, " B"]
    target: Float[Tensor, " B"]

    @property
    def total(self) -> Float[Tensor, ""]:
        """The quantity minimised."""
        return (self.draft + self.target).mean()


@dataclass(frozen=True)
class Corruption:
    """The random part of a training example: an order, and how much of it is revealed."""

    order: Order
    """What is given comes first; then what is learnt; last what stays hidden without being
    learnt, and positions that are not there (PAD)."""
    num_revealed: Counts
    length: Counts
    """Positions of each sequence that are given or learnt: a loss is about no others."""

    def select(self, rows: Int[Tensor, " N"], device: torch.device) -> "Corruption":
        """That of some sequences of the batch."""
        return Corruption(
            self.order[rows].to(device),
            self.num_revealed[rows].to(device),
            self.length[rows].to(device),
        )


def corrupt(seed: int, batch_size: int, length: int, orders: Orders = "random") -> Corruption:
    """Random orders, and numbers revealed that are stratified over the batch.

    Of "left-to-right": reading order with nothing revealed, for an autoregressive model.
    """
    if orders == "left-to-right":
        order = left_to_right(batch_size, length)
        none_revealed = torch.zeros_like(order[:, 0])
        return Corruption(order, none_revealed, none_revealed + length)
    draws = SeededDraws([seed])
    num_revealed = masking.stratified_counts(draws, batch_size, length)
    where = torch.ones(1, batch_size * length, dtype=torch.bool)
    order = draws.uniform(where).view(batch_size, length).argsort(dim=1, stable=True)
    return Corruption(order, num_revealed, torch.full_like(num_revealed, length))


def corrupt_answers(
    seed: int, is_given: Bool[Tensor, "B L"], length: Counts, orders: Orders = "random"
) -> Corruption:
    """Orders that begin with what is given, which is always revealed.

    The others come in random order, or as they are read. Of these n as many are revealed as is
    uniform on 0..n-1, stratified over the batch.
    """
    draws, (batch_size, padded_length) = SeededDraws([seed]), is_given.shape
    num_given = is_given.sum(dim=1)
    offsets = torch.arange(batch_size) + draws.uniform(torch.ones(1, dtype=torch.bool))
    num_wanted = length - num_given
    num_revealed = (num_wanted * offsets / batch_size).long().minimum(num_wanted - 1) + num_given
    where = torch.ones(1, batch_size * padded_length, dtype=torch.bool)
    turn = draws.uniform(where).view(batch_size, padded_length)
    place = torch.arange(padded_length).expand(batch_size, -1)
    if orders == "left-to-right":
        turn = place / padded_length
    turn = torch.where(is_given, place - float(padded_length), turn)
    turn = torch.where(place >= length[:, None], place + 1.0, turn)
    return Corruption(turn.argsort(dim=1, stable=True), num_revealed, length)


def losses(model: torch.nn.Module, token_ids: TokenIds, corruption: Corruption) -> Losses:
    """Both cross-entropies of one batch. `model` is a network with a `config`, perhaps wrapped."""
    config = unwrapped(model).config
    order, num_revealed = corruption.order, corruption.num_revealed[:, None]
    masked_ids = masking.mask_after(token_ids, order, corruption.num_revealed, config.mask_id)
    rank, length = torch.arange(order.shape[1], device=order.device), corruption.length[:, None]
    rows, ranks = ((rank >= num_revealed) & (rank < length)).nonzero(as_tuple=True)
    draft_logits, target_logits = model(
        masked_ids, token_ids, order, rows * order.shape[1] + ranks
    )
    wanted_ids = token_ids[rows, order[rows, ranks]]
    draft_nats = _cross_entropy(draft_logits, wanted_ids)
    has_tail = target_logits is not draft_logits
    target_nats = _cross_entropy(target_logits, wanted_ids) if has_tail else draft_nats
    if config.first_target == "draft":
        is_first = ranks == corruption.num_revealed[rows]
        target_nats = torch.where(is_first, draft_nats, target_nats)
    num_masked = corruption.length - corruption.num_revealed

    def per_row(nats: Tensor) -> Tensor:
        return nats.new_zeros(len(order)).index_add(0, rows, nats) / num_masked

    return Losses(per_row(draft_nats), per_row(target_nats))


def unwrapped(model: torch.nn.Module) -> Any:
    """The network inside what accelerate or torch.compile put around it."""
    inner: Any = model
    while hasattr(inner, "module") or hasattr(inner, "_orig_mod"):
        inner = getattr(inner, "module", None) or inner._orig_mod
    return inner


def _cross_entropy(
    logits: Float[Tensor, "N V"], token_ids: Int[Tensor, " N"]
) -> Float[Tensor, " N"]:
    # At least float32, whatever the network computes in.
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return torch.nn.functional.cross_entropy(logits, token_ids, reduction="none")
