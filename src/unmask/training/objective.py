"""What is minimised: the cross-entropy of draft and of target on the masked tokens.

    L = E_{x, sigma, i} [ 1/(D - i) sum_{d > i}  - log draft(x_sigma(d) | x_sigma(1..i))
                                                 - log target(x_sigma(d) | x_sigma(1..d-1)) ]

with i uniform on 0..D-1. D times the first half is the bound of masked diffusion on
-log p(x), D times the second a random-order autoregressive one; both per token as written.
They come from one pass through the network, and weigh the same unless told otherwise. Where the
first target of a pass is its draft (`first_target`), the draft's loss at d = i + 1 stands in both
halves.

Of a causal trunk every token is learnt at once, in windows (windowed.py): by the stream, given all
tokens before it in the order; by draft and target, given those before its window, and the target
given those of its window too. All three are means over the tokens.

Source: Campbell et al. (2025), arXiv:2510.03929, section 3.2.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.dllm.packing import Packing, pack
from unmask.draws import SeededDraws
from unmask.network.config import HybridConfig
from unmask.process import masking
from unmask.process.orders import left_to_right
from unmask.shapes import Counts, Order, TokenIds
from unmask.training.config import Orders, TrainerConfig
from unmask.training.cross_entropy import cross_entropy
from unmask.training.transfer import sent
from unmask.training.windowed import WindowedCorruption

_PLAIN = TrainerConfig()  # in which all parts weigh the same


@dataclass(frozen=True)
class Losses:
    """Nats per token, one entry per sequence: unbiased for the bounds of draft and target."""

    draft: Float[Tensor, " B"] | None
    target: Float[Tensor, " B"] | None
    stream: Float[Tensor, " B"] | None = None
    """Of a causal trunk; one without windows has nothing else."""

    @property
    def parts(self) -> dict[str, Float[Tensor, " B"]]:
        """Those there are, by name."""
        return {name: part for name, part in vars(self).items() if part is not None}

    def total(self, trainer: TrainerConfig = _PLAIN) -> Float[Tensor, ""]:
        """The quantity minimised."""
        weighted = [
            getattr(trainer, f"{name}_weight") * part.mean() for name, part in self.parts.items()
        ]
        return torch.stack(weighted).sum()


@dataclass(frozen=True)
class Corruption:
    """The random part of a training example: an order, and how much of it is revealed."""

    order: Order
    """What is given comes first; then what is learnt; last what stays hidden without being
    learnt, and positions that are not there (PAD)."""
    num_revealed: Counts
    length: Counts
    """Positions of each sequence that are given or learnt: a loss is about no others."""
    learnt: Int[Tensor, " N"] | None = None
    """Entries of the order that are learnt, b * L + s, where they were listed already."""
    num_tokens: Counts | None = None
    """Of sequences that are padded behind, if the network can run them packed into rows."""
    packing: Packing | None = None
    """How they are, on a device where that saves time."""

    def learnt_entries(self) -> Int[Tensor, " N"]:
        """`learnt`, listed if it was not: how many there are makes a GPU be waited for."""
        if self.learnt is not None:
            return self.learnt
        rank = torch.arange(self.order.shape[1], device=self.order.device)
        is_learnt = (rank >= self.num_revealed[:, None]) & (rank < self.length[:, None])
        return is_learnt.flatten().nonzero().squeeze(1)

    def select(self, rows: Int[Tensor, " N"], device: torch.device) -> "Corruption":
        """That of some sequences of the batch, its entries listed before it travels."""
        own = Corruption(self.order[rows], self.num_revealed[rows], self.length[rows])
        packing = None
        # On a CPU the network packs them by itself.
        if self.num_tokens is not None and device.type != "cpu":
            length = self.order.shape[1]
            # A multiple of 16, which the kernels of attention like.
            packing = pack(self.num_tokens[rows], length, width=-(-length * 3 // 32) * 16)
            packing = Packing(*(sent(part, device) for part in vars(packing).values()))
        return Corruption(
            sent(own.order, device),
            sent(own.num_revealed, device),
            sent(own.length, device),
            sent(own.learnt_entries(), device),
            packing=packing,
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


def losses(
    model: torch.nn.Module, token_ids: TokenIds, corruption: Corruption | WindowedCorruption
) -> Losses:
    """All cross-entropies of one batch. `model` is a network with a `config`, perhaps wrapped."""
    config = unwrapped(model).config
    if isinstance(corruption, WindowedCorruption):
        return _stream_losses(model, config, token_ids, corruption)
    order = corruption.order
    masked_ids = masking.mask_after(token_ids, order, corruption.num_revealed, config.mask_id)
    entries = corruption.learnt_entries()
    rows, ranks = entries // order.shape[1], entries % order.shape[1]
    packing = () if corruption.packing is None else (corruption.packing,)
    draft_logits, target_logits = model(masked_ids, token_ids, order, entries, *packing)
    wanted_ids = token_ids[rows, order[rows, ranks]]
    draft_nats = cross_entropy(draft_logits, wanted_ids)
    has_tail = target_logits is not draft_logits
    target_nats = cross_entropy(target_logits, wanted_ids) if has_tail else draft_nats
    if config.first_target == "draft":
        is_first = ranks == corruption.num_revealed[rows]
        target_nats = torch.where(is_first, draft_nats, target_nats)
    num_masked = corruption.length - corruption.num_revealed

    def per_row(nats: Tensor) -> Tensor:
        return nats.new_zeros(len(order)).index_add(0, rows, nats) / num_masked

    return Losses(per_row(draft_nats), per_row(target_nats))


def _stream_losses(
    model: torch.nn.Module,
    config: HybridConfig,
    token_ids: TokenIds,
    corruption: WindowedCorruption,
) -> Losses:
    """Of a causal trunk: every token is learnt in all ways there are, each weighing the same."""
    order, start = corruption.order, corruption.window_start
    slots = torch.arange(order.shape[1], device=order.device)
    is_learnt = (slots >= corruption.num_given[:, None]) & (slots < corruption.length[:, None])
    wanted_ids = token_ids.gather(1, order).clamp(min=0)
    num_learnt = is_learnt.sum()

    def nats(logits: Tensor) -> Tensor:
        return cross_entropy(logits.flatten(0, 1), wanted_ids.flatten()).view_as(wanted_ids)

    def per_row(each: Tensor) -> Tensor:
        return (each * is_learnt).sum(dim=1) * len(order) / num_learnt

    logits = model(token_ids, order, start)
    stream = nats(logits.stream)
    if logits.draft is None:
        return Losses(None, None, per_row(stream))
    draft = nats(logits.draft)
    is_first = slots == start
    if config.first_target == "stream":
        draft = torch.where(is_first, stream, draft)
    if logits.target is None:
        return Losses(per_row(draft), None, per_row(stream))
    target = torch.where(is_first, draft, nats(logits.target))
    return Losses(per_row(draft), per_row(target), per_row(stream))


def unwrapped(model: torch.nn.Module) -> Any:
    """The network inside what accelerate or torch.compile put around it."""
    inner: Any = model
    while hasattr(inner, "module") or hasattr(inner, "_orig_mod"):
        inner = getattr(inner, "module", None) or inner._orig_mod
    return inner
