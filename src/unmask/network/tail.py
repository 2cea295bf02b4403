"""The causal tail: what makes a verifier of a network that drafts.

With an order sigma, slot s = 0..L-1 predicts the token at sigma(s) and holds the token at
sigma(s-1); slot 0 holds no token. Of a network's pass over the sequence masked after its first i
entries it reads the hidden state h_l of every position, which is about the token at l:

    draft_l   = unembed(norm(h_l))                           of the token at position l
    u_s       = W_in concat(norm(E[token at sigma(s-1)]), norm(h_sigma(s-1)), norm(h_sigma(s)))
    o         = causal blocks over s; queries turned by sigma(s), keys by sigma(s-1)
    target_s  = unembed(norm(W_out norm(o_s) + h_sigma(s)))     of the token at sigma(s)

W_out starts at zero, so target = draft exactly at initialisation; it does not where nothing is
added to it (`output_residual`). Slot s never reads the token at sigma(s) or a later one: what it
judges is not among its inputs. A network without causal blocks has no other part of the tail
either: it drafts, and its target is its draft.

Source: Campbell et al. (2025), arXiv:2510.03929, section 3; the causal tail over a shuffled
order is that of sigma-GPT, arXiv:2404.09562. The crossed rotation is ours (docs/method.md).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unmask.errors import ConfigError
from unmask.network.blocks import Block, Layout, entries_of
from unmask.network.cache import Cached, KeyValueCache, gather_rows
from unmask.network.config import HybridConfig
from unmask.network.never_predicted import silence
from unmask.network.rotary import Rotary
from unmask.predictors.protocol import Draft
from unmask.shapes import PAD, Counts, Order, TokenIds, WindowIds, WindowLogProbs


@dataclass
class Context:
    """What the tail needs of a trunk pass. The cache fills with the first verification."""

    hidden: Float[Tensor, "B L d"]
    features: Float[Tensor, "B L d"]
    """norm(hidden): what unembedding and the tail's inputs read."""
    num_revealed: Counts
    """Where the pass begins in the order."""
    num_cached: Counts
    """Tracks that went through the tail in an earlier verification."""
    tail_cache: list[KeyValueCache]
    """One per block of the tail; none before the first verification."""

    def select(self, rows: Int[Tensor, " N"]) -> "Context":
        """The context of some sequences of the batch."""
        return Context(
            self.hidden[rows],
            self.features[rows],
            self.num_revealed[rows],
            self.num_cached[rows],
            [cache.select(rows) for cache in self.tail_cache],
        )


class TailParts(nn.Module):
    """The modules of a tail, and what makes distributions of what goes through them."""

    config: HybridConfig
    rotary: Rotary
    norm: Any
    unembedding: Any
    device: Any
    """Where the weights are."""
    never_predicted_ids: tuple[int, ...] = ()
    """Of a vocabulary that has a mask of its own."""

    def add_tail(self, config: HybridConfig) -> None:
        num_features = config.tail_inputs.count("+") + 1
        self.tail_in = nn.Linear(num_features * config.width, config.width, bias=False)
        self.tail = nn.ModuleList(Block(config.block) for _ in range(config.num_tail_blocks))
        self.tail_norm = nn.LayerNorm(config.width, bias=False)
        self.tail_out = nn.Linear(config.width, config.width, bias=False)
        if config.first_target == "start-track":
            self.start_track = nn.Parameter(torch.zeros(config.width))
        if config.heads == "separate":
            self.target_norm = nn.LayerNorm(config.width, bias=False)
            self.target_unembedding = nn.Linear(config.width, config.vocab_size, bias=False)

    def init_tail(self, generator: torch.Generator) -> None:
        """What is not as `init_weights` leaves it."""
        if not self.config.output_residual:
            # With nothing to add to, a silent tail would be a target that cannot learn.
            std = self.config.width**-0.5
            nn.init.normal_(self.tail_out.weight, std=std, generator=generator)
        if self.config.heads == "separate":
            self.target_unembedding.weight.data.copy_(self.unembedding.weight.data)
        if self.config.first_target == "start-track":
            nn.init.zeros_(self.start_track)

    def _target_head(
        self, tail_output: Float[Tensor, "*n d"], hidden_next: Float[Tensor, "*n d"]
    ) -> tuple[nn.Linear, Float[Tensor, "*n d"]]:
        """What makes logits of the target, and of what."""
        refined = self.tail_out(self.tail_norm(tail_output))
        if self.config.output_residual:
            refined = refined + hidden_next
        if self.config.heads == "separate":
            return self.target_unembedding, self.target_norm(refined)
        return self.unembedding, self.norm(refined)

    @property
    def max_length(self) -> int:
        """The longest sequence that can be taken."""
        return self.config.length

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        return self.config.vocab_size

    @property
    def first_target_is_draft(self) -> bool:
        """See `HybridPredictor`."""
        return self.config.first_target != "start-track"

    def _log_probs(
        self, unembedding: nn.Linear, features: Float[Tensor, "B K d"]
    ) -> WindowLogProbs:
        # At least float32, whatever the network computes in.
        dtype = torch.promote_types(features.dtype, torch.float32)

        def of(features: Tensor) -> Tensor:
            logits: Tensor = unembedding(features)
            silence(logits, self.never_predicted_ids)
            return logits.log_softmax(dim=-1, dtype=dtype)

        vocab_size = unembedding.out_features
        num_at_once = max(1, _LOGITS_AT_ONCE // (vocab_size * max(1, features.shape[1])))
        if len(features) <= num_at_once:
            return of(features)
        shape = (*features.shape[:2], vocab_size)
        log_probs = torch.empty(shape, dtype=dtype, device=features.device)
        for rows in torch.arange(len(features)).split(num_at_once):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            log_probs[part] = of(features[part])
        return log_probs


class TailedNetwork(TailParts, ABC):
    """A `HybridPredictor` that lacks its trunk: hidden states, their norm, an unembedding."""

    @abstractmethod
    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """The trunk: one hidden state per position; what stands at PAD is meaningless."""

    @abstractmethod
    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """Tokens as the tail reads them, on the scale of the hidden states."""

    # Whole sequences at once: what training uses.

    def forward(
        self,
        masked_ids: TokenIds,
        token_ids: TokenIds,
        order: Order,
        entries: Int[Tensor, " N"] | None = None,
    ) -> tuple[Float[Tensor, "*n V"], Float[Tensor, "*n V"]]:
        """Draft and target logits of every entry of the order, [B, L, V], from one pass.

        `masked_ids` is what the trunk reads, `token_ids` what the tail is told (teacher
        forcing). Entry s of either result is about the token at order[:, s]; `entries` asks
        for some of them alone, b * L + s, as [N, V]. Where the tail may not differ from the
        draft (`first_target`) is the caller's to know.
        """
        hidden = self.hidden_states(masked_ids)
        features = self.norm(hidden)
        draft_logits = self.unembedding(entries_of(gather_rows(features, order), entries))
        if not self.config.has_tail:
            return draft_logits, draft_logits
        slots = torch.arange(order.shape[1], device=order.device).expand_as(order)
        inputs = self._tail_inputs(features, token_ids, order, slots)
        causal = slots[0, :, None] >= slots[0]
        layout = self._tail_layout(order, slots, slots, causal)
        for block in self.tail:
            inputs = block(inputs, layout)
        hidden_next = gather_rows(hidden, order)
        parts = (entries_of(x, entries) for x in (inputs, hidden_next))
        unembedding, refined = self._target_head(*parts)
        return draft_logits, unembedding(refined)

    def _tail_inputs(
        self,
        features: Float[Tensor, "B L d"],
        token_ids: TokenIds,
        order: Order,
        slots: Int[Tensor, "B T"],
    ) -> Float[Tensor, "B T d"]:
        """u_s for the given slots."""
        held_position = order.gather(1, (slots - 1).clamp(min=0))
        is_start = (slots == 0)[..., None]
        token = self.embed(token_ids.gather(1, held_position))
        if self.config.first_target == "start-track":
            parts = [torch.where(is_start, self.start_track.to(token.dtype), token)]
        else:
            parts = [token.masked_fill(is_start, 0.0)]
        if "current" in self.config.tail_inputs:
            parts.append(gather_rows(features, held_position).masked_fill(is_start, 0.0))
        if "next" in self.config.tail_inputs:
            parts.append(gather_rows(features, order.gather(1, slots)))
        found: Float[Tensor, "B T d"] = self.tail_in(torch.cat(parts, dim=-1))
        return found

    def _tail_layout(
        self,
        order: Order,
        slots: Int[Tensor, "B T"],
        query_slots: Int[Tensor, "B Q"],
        visible: Tensor,
    ) -> Layout:
        def held(slots: Tensor) -> Tensor:
            # Slot 0 holds no token: position 0 leaves its key unturned.
            return order.gather(1, (slots - 1).clamp(min=0)).masked_fill(slots == 0, 0)

        def predicted(slots: Tensor) -> Tensor:
            return order.gather(1, slots)

        if self.config.tail_rotary == "crossed":
            query, key = self.rotary.by(predicted(query_slots)), self.rotary.by(held(slots))
        else:
            query = self.rotary.by_halves(held(query_slots), predicted(query_slots))
            key = self.rotary.by_halves(held(slots), predicted(slots))
        return Layout(query, key, visible)

    # The predictor: what samplers use.

    @torch.inference_mode()
    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """One trunk pass; unembedding at `positions` only."""
        hidden = self.hidden_states(token_ids)
        features = self.norm(hidden)
        log_probs = self._log_probs(self.unembedding, gather_rows(features, positions))
        num_revealed = ((token_ids != self.config.mask_id) & (token_ids != PAD)).sum(dim=1)
        context = Context(
            hidden,
            features,
            num_revealed=num_revealed,
            num_cached=torch.zeros_like(num_revealed),
            tail_cache=[],
        )
        return Draft(log_probs, context)

    @torch.inference_mode()
    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        """One tail pass over the columns asked for; earlier tracks come from the cache.

        Tracks that no call has run yet go through the tail as well, to fill the cache; its last
        block works out keys and values alone for them. From one call to the next `first` moves
        on over tokens that were kept as they stood, but for the last of them, order[:, first - 1].

        Raises `ConfigError` if the network has no tail.
        """
        if not self.config.has_tail:
            raise ConfigError(
                "this network has no causal blocks (num_tail_blocks is 0), so it cannot verify "
                "what it drafted. Sample it with `Ancestral(...)` (--sampler ancestral) or "
                "another sampler that only drafts."
            )
        context: Context = draft.context
        columns = first[:, None] + torch.arange(num_columns, device=first.device)
        columns = columns.clamp(max=order.shape[1] - 1)
        last_column = columns[:, -1]
        start = torch.minimum(context.num_cached, columns[:, 0])
        widths = torch.stack([last_column - start, last_column]).amax(dim=1) + 1
        num_tracks, num_slots = widths.tolist()  # the one wait for the device
        tracks = torch.arange(num_tracks, device=first.device).expand(len(first), -1)
        slots = (start[:, None] + tracks).minimum(last_column[:, None])
        asking = columns - start[:, None]

        x = self._tail_inputs(context.features, filled_ids, order, slots)
        empty = KeyValueCache.empty(x, num_heads=self.config.num_heads)
        caches = context.tail_cache or [empty] * len(self.tail)
        context.tail_cache = [cache.grown(num_slots) for cache in caches]
        context.num_cached = last_column + 1
        key_slots = torch.arange(context.tail_cache[0].keys.shape[2], device=first.device)
        for block, cache in zip(self.tail, context.tail_cache, strict=True):
            is_last = block is self.tail[-1]
            query_slots = columns if is_last else slots
            visible = (key_slots <= query_slots[..., None])[:, None]
            layout = self._tail_layout(order, slots, query_slots, visible)
            x = block(x, layout, Cached(cache, slots, asking if is_last else tracks))
        hidden_next = gather_rows(context.hidden, order.gather(1, columns))
        log_probs = self._log_probs(*self._target_head(x, hidden_next))
        if self.first_target_is_draft:
            is_first = (first == context.num_revealed)[:, None]
            log_probs[:, 0] = torch.where(is_first, draft.log_probs[:, 0], log_probs[:, 0])
        return log_probs

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        """The same draft for some sequences of the batch."""
        return Draft(draft.log_probs[rows], draft.context.select(rows))


_LOGITS_AT_ONCE = 2**24
"""That are made together."""
