"""A causal trunk with a window behind it: finished tokens are computed once, and have a law.

Along an order sigma, with slots as in tail.py (slot s predicts sigma(s) and holds the token at
sigma(s-1); slot 0 holds START), the trunk runs two kinds of entries, which share all weights:

    clean_s    holds E[token at sigma(s-1)]       sees clean_0 .. clean_s
    masked_s   holds E[MASK], s in the window     sees clean_0 .. clean_first and the window

    stream_s = unembed(norm(clean_s))    of the token at sigma(s), given all before it
    draft_s  = unembed(norm(masked_s))   of the token at sigma(s), given those before the window

Queries are turned by the position they predict; keys by the one whose token they hold, or, of a
MASK, whose token they predict. So the order is known by positions alone, and may begin with what
is given anywhere. The tail judges a window that begins at f as in tail.py, by one track a slot:

    u_s      = W_in concat(norm E[token at sigma(s-1)], norm(clean_f if s = f else masked_(s-1)),
                           norm(masked_s))                     sees v_0 .. v_f and u_f .. u_s
    v_s      = W_in concat(norm E[token at sigma(s-1)], norm(clean_s), 0)
    target_s = unembed(norm(W_out norm(o_s) + masked_s))

What is computed of clean entries does not depend on what comes later: the cache is exact.

Training runs all windows of a sequence at once, the clean entries of all slots and behind them
the masked ones: each of these sees the clean ones up to its window's first, and its window.

Sources: Campbell et al. (2025), arXiv:2510.03929, for draft and target; the doubled sequence is
that of BD3-LM, Arriola et al. (2025), arXiv:2503.09573; attention along a shuffled order that of
sigma-GPT, arXiv:2404.09562. The three laws of one network are ours (docs/method.md).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unmask.cost import Work
from unmask.draws import weight_generator
from unmask.errors import ConfigError
from unmask.network.blocks import Block, Layout, init_weights
from unmask.network.cache import Cached, KeyValueCache, gather_rows
from unmask.network.config import HybridConfig
from unmask.network.rotary import Rotary, Rotation
from unmask.network.tail import TailParts
from unmask.predictors.protocol import Draft
from unmask.predictors.stream import Branched, Extended, StreamKVCache, StreamShape
from unmask.shapes import PAD, Counts, Order, TokenIds, WindowIds, WindowLogProbs


class StreamLogits(NamedTuple):
    """Of every slot: each [B, L, V], about the token at order[:, s]. Without windows, or without
    a tail, there is no draft or target."""

    stream: Float[Tensor, "B L V"]
    draft: Float[Tensor, "B L V"] | None
    target: Float[Tensor, "B L V"] | None


@dataclass(frozen=True)
class _Plan:
    """Who holds what and attends to whom in a pass over whole sequences."""

    held_ids: Int[Tensor, "B L"]
    is_first: Bool[Tensor, "L 1"]
    """Whether a slot is the first of its window."""
    trunk: Layout
    tail: Layout
    last_tail: Layout


@dataclass
class WindowContext:
    """What the tail needs of a pass. The tracks go into `tail_memory` as they are verified."""

    masked: Float[Tensor, "B K d"]
    features: Float[Tensor, "B K d"]
    """norm(masked)."""
    clean_features: Float[Tensor, "B d"]
    """norm(clean_first)."""
    first: Counts
    """The slot at which the window begins."""
    num_cached: Counts
    """Slots below this have had their track run."""
    tail_memory: Float[Tensor, "B M 2 H T c"]

    def select(self, rows: Int[Tensor, " N"]) -> "WindowContext":
        """The context of some sequences of the batch."""
        return WindowContext(*(value[rows] for value in vars(self).values()))


@dataclass(frozen=True)
class _Unknown:
    """The finished slots that a pass runs."""

    slots: Int[Tensor, "B n"]
    num_slots: int
    """One more than the last of them."""
    held_ids: Int[Tensor, "B n"]
    holding: Rotation
    """By the positions of the tokens they hold."""
    predicted: Int[Tensor, "B n"]
    """The positions they are about."""
    run_ids: Int[Tensor, "B L"]
    """What is remembered after the pass (`StreamKVCache`)."""
    num: Counts
    """How many are new."""
    num_seen: Counts
    """Pairs of such a slot and one that it sees: s + 1 each."""


@dataclass(frozen=True)
class WindowContexts:
    """A `WindowContext` behind each number of candidates."""

    masked: Float[Tensor, "B G K d"]
    features: Float[Tensor, "B G K d"]
    clean_features: Float[Tensor, "B G d"]
    first: Counts
    tail_memory: Float[Tensor, "B M 2 H T c"]

    def choose(self, number: Counts) -> WindowContext:
        """That behind so many candidates."""
        rows = torch.arange(len(number), device=number.device)
        begin = self.first + number
        return WindowContext(
            self.masked[rows, number],
            self.features[rows, number],
            self.clean_features[rows, number],
            begin,
            begin,
            self.tail_memory,
        )


class StreamTransformer(TailParts):
    """A `StreamPredictor` with weights. New weights are drawn from `seed` alone."""

    def __init__(self, config: HybridConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size + 2, config.width)  # MASK, then START
        self.rotary = Rotary(config.length, config.width // config.num_heads)
        self.trunk = nn.ModuleList(Block(config.block) for _ in range(config.num_trunk_blocks))
        self.norm = nn.LayerNorm(config.width, bias=False)
        self.unembedding = nn.Linear(config.width, config.vocab_size, bias=False)
        self.tail = nn.ModuleList()
        if config.has_tail:
            self.add_tail(config)
        generator = weight_generator(seed)
        init_weights(self, generator)
        nn.init.normal_(self.embedding.weight, std=1.0, generator=generator)
        nn.init.normal_(self.unembedding.weight, std=0.02, generator=generator)
        if config.has_tail:
            self.init_tail(generator)

    known_fingerprint: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.weight.device

    @property
    def start_id(self) -> int:
        """What slot 0 holds in the place of a token."""
        return self.config.vocab_size + 1

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """Normalised, to be on the scale of the hidden states it meets in the tail."""
        return F.layer_norm(self.embedding(token_ids), (self.config.width,))

    def _held(
        self, token_ids: TokenIds, order: Order, slots: Int[Tensor, "B T"]
    ) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
        """The ids that slots hold, and their positions; slot 0 holds START, at position 0."""
        position = order.gather(1, (slots - 1).clamp(min=0))
        is_start = slots == 0
        ids = token_ids.gather(1, position).clamp(min=0).masked_fill(is_start, self.start_id)
        return ids, position.masked_fill(is_start, 0)

    def _rotation(self, positions: Int[Tensor, "B T"]) -> Rotation:
        return self.rotary.by(positions).to(self.embedding.weight.dtype)

    # Whole sequences at once: what training uses.

    def forward(
        self, token_ids: TokenIds, order: Order, window_start: Int[Tensor, " L"]
    ) -> StreamLogits:
        """All three predictions of every slot, teacher-forced; a partition into windows.

        `window_start[s]` is the first slot of the window that s is in, the same for all sequences.
        Shorter sequences are padded with PAD, which comes last in the order.
        """
        num_slots = order.shape[1]
        plan = self._plan(token_ids, order, window_start)
        clean = self.embed(plan.held_ids)
        if not self.config.max_window:
            for block in self.trunk:
                clean = block(clean, plan.trunk)
            return StreamLogits(self.unembedding(self.norm(clean)), None, None)
        masked = self.embed(torch.full_like(order, self.config.mask_id))
        x = torch.cat([clean, masked], dim=1)
        for block in self.trunk:
            x = block(x, plan.trunk)
        features = self.norm(x)
        stream, draft = self.unembedding(features).split(num_slots, dim=1)
        if not self.config.has_tail:
            return StreamLogits(stream, draft, None)
        clean_features, masked_features = features.split(num_slots, dim=1)
        behind = torch.where(plan.is_first, clean_features, masked_features.roll(1, dims=1))
        tracks = torch.cat([clean, behind, masked_features], dim=-1)
        silent = torch.cat([clean, clean_features, torch.zeros_like(clean)], dim=-1)
        y = self.tail_in(torch.cat([silent, tracks], dim=1))
        for block in self.tail:
            y = block(y, plan.last_tail if block is self.tail[-1] else plan.tail)
        unembedding, refined = self._target_head(y, x[:, num_slots:])
        return StreamLogits(stream, draft, unembedding(refined))

    # Apart, because torch 2.11 cannot compile what makes a Layout.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _plan(self, token_ids: TokenIds, order: Order, window_start: Int[Tensor, " L"]) -> "_Plan":
        num_slots = order.shape[1]
        slots = torch.arange(num_slots, device=order.device)
        held_ids, held = self._held(token_ids, order, slots.expand_as(order))
        predicting, holding = self._rotation(order), self._rotation(held)
        if not self.config.max_window:
            alone = Layout(predicting, holding, num_causal=num_slots)
            return _Plan(held_ids, slots[:, None] == 0, alone, alone, alone)
        twice, both = _beside(predicting, predicting), _beside(holding, predicting)
        before = slots <= window_start[:, None]
        same = window_start == window_start[:, None]
        seen = torch.cat([before, same], dim=1)
        is_there = token_ids.gather(1, order) != PAD
        if not is_there.all():  # MASKs of padding, which comes last, are in nobody's window
            among = torch.cat([torch.ones_like(is_there), is_there], dim=1)
            seen = seen & among[:, None, None]
        trunk = Layout(twice, both, seen, num_causal=num_slots)
        held_twice = _beside(holding, holding)
        visible = torch.cat([before, same & (slots <= slots[:, None])], dim=1)
        tail = Layout(twice, held_twice, visible, num_causal=num_slots)
        last_tail = Layout(predicting, held_twice, visible, num_silent=num_slots)
        return _Plan(held_ids, (slots == window_start)[:, None], trunk, tail, last_tail)

    # The predictor: what samplers use.

    @property
    def stream_shape(self) -> StreamShape:
        """See `StreamPredictor`."""
        return StreamShape(
            num_trunk_blocks=self.config.num_trunk_blocks,
            num_tail_blocks=self.config.num_tail_blocks,
            num_heads=self.config.num_heads,
            channels=self.config.width // self.config.num_heads,
            num_slots=self.config.length,
            # A window's last MASK stands a row behind its slot, padding of windows behind that.
            num_scratch=2,
            dtype=self.embedding.weight.dtype,
            device=self.device,
        )

    @property
    def max_window(self) -> int:
        """See `StreamPredictor`."""
        return self.config.max_window

    @property
    def fills_in(self) -> bool:
        """See `StreamPredictor`."""
        return self.config.fills_in

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """Refused: what a causal trunk drafts depends on the order, which `extend` is told."""
        raise ConfigError(
            "this model was trained to write along an order, from left to right, and cannot "
            "reveal tokens wherever a sampler likes. Choose self-speculative, lossless or "
            "autoregressive, or a model that reads any order, such as text8s-any."
        )

    @torch.inference_mode()
    def extend(
        self,
        token_ids: TokenIds,
        order: Order,
        *,
        first: Counts,
        window: Counts,
        num_columns: int,
        num_laws: int = 1,
        memory: StreamKVCache | None = None,
    ) -> Extended:
        """See `StreamPredictor`."""
        if num_columns > self.max_window:
            raise ConfigError(
                f"a window of {num_columns} tokens was asked of a model that drafts "
                f"{self.max_window} at most. Set the window to that or less (--sampler.window)."
            )
        if memory is None:
            memory = StreamKVCache.blank(self.stream_shape, len(token_ids))
        new = self._unknown(token_ids, order, first, first, memory)
        columns = torch.arange(num_columns, device=first.device)
        in_window = columns < window[:, None]
        places = (first[:, None] + columns).clamp(max=order.shape[1] - 1)
        end = first + 1 + window if num_columns else first + 1
        is_even = bool(in_window.all())
        num_rows = int(end.max()) + (not is_even)
        rows = (first[:, None] + 1 + columns).masked_fill(~in_window, num_rows - 1)

        row = torch.arange(num_rows, device=first.device)
        bound = torch.cat([new.slots + 1, end[:, None].expand_as(rows)], dim=1)
        visible = (row < bound[..., None])[:, None]
        clean, masked = self._run(new, order.gather(1, places), rows, visible, memory)
        clean_features = self.norm(clean)
        law = self._log_probs(self.unembedding, clean_features[:, clean.shape[1] - num_laws :])
        context = None
        draft_log_probs = law.new_zeros(len(first), 0, law.shape[-1])
        if num_columns:
            features = self.norm(masked)
            draft_log_probs = self._log_probs(self.unembedding, features)
            if self.config.first_target == "stream":
                draft_log_probs[:, :1] = law[:, -1:]
        if self.config.has_tail:
            self._remember_in_tail(memory, new, clean_features)
            if num_columns:
                context = WindowContext(
                    masked, features, clean_features[:, -1], first, first, memory.tail
                )
        return Extended(
            law,
            Draft(draft_log_probs, context),
            replace(memory, run_ids=new.run_ids),
            Work(
                torch.ones_like(first),
                new.num + window if num_columns else new.num,
                new.num_seen + window * end if num_columns else new.num_seen,
            ),
        )

    @torch.inference_mode()
    def branch(
        self,
        token_ids: TokenIds,
        order: Order,
        *,
        first: Counts,
        num_candidates: Counts,
        length: Counts,
        num_columns: int,
        memory: StreamKVCache | None = None,
    ) -> Branched:
        """See `StreamPredictor`."""
        num_groups = num_columns
        if memory is None:
            shape = replace(self.stream_shape, num_scratch=num_groups * num_columns + 1)
            memory = StreamKVCache.blank(shape, len(token_ids))
        # The slot behind the last position does not exist: nothing is said there.
        last = torch.minimum(first + num_candidates, length - 1)
        new = self._unknown(token_ids, order, first, last, memory)
        num_slots, num_clean = new.num_slots, new.slots.shape[1]
        group = torch.arange(num_groups, device=first.device).repeat_interleave(num_columns)
        column = torch.arange(num_columns, device=first.device).repeat(num_groups)
        begin = first[:, None] + group
        slot = begin + column
        is_real = (group <= num_candidates[:, None]) & (slot < length[:, None])
        wanted = is_real.any(dim=0).nonzero().squeeze(1)  # in any sequence
        group, begin, slot, is_real = (
            group[wanted],
            begin[:, wanted],
            slot[:, wanted],
            is_real[:, wanted],
        )
        places = slot.clamp(max=order.shape[1] - 1)
        num_rows = num_slots + len(wanted)
        rows = (num_slots + torch.arange(len(group), device=first.device)).expand_as(places)

        row = torch.arange(num_rows, device=first.device)
        of_clean = row <= new.slots[..., None]
        of_row = torch.cat([torch.full_like(row[:num_slots], -1), group])
        is_own = of_row == group[:, None]
        is_there = torch.cat([is_real.new_zeros(len(first), num_slots), is_real], dim=1)
        of_masked = (row <= begin[..., None]) & (row < num_slots)
        of_masked = of_masked | (is_own & is_there[:, None])
        # What is not real sees its own group all the same, so that it sees something.
        of_masked = of_masked | (is_own & ~is_real[..., None])
        visible = torch.cat([of_clean, of_masked], dim=1)[:, None]
        clean, masked = self._run(new, order.gather(1, places), rows, visible, memory)
        clean_features = self.norm(clean)
        # By number of candidates: slots first, first + 1, ...
        number_of = (first - last)[:, None] + torch.arange(num_groups, device=first.device)
        number_of = (number_of + num_clean - 1).clamp(min=0, max=num_clean - 1)
        by_number = gather_rows(clean_features, number_of)
        law = self._log_probs(self.unembedding, by_number)
        every_window = masked.new_zeros(len(first), num_groups * num_columns, masked.shape[2])
        every_window[:, wanted] = masked
        masked = every_window.unflatten(1, (num_groups, num_columns))
        features = self.norm(masked)
        draft = self._log_probs(self.unembedding, features.flatten(1, 2))
        draft = draft.unflatten(1, (num_groups, num_columns))
        if self.config.first_target == "stream":
            draft[:, :, 0] = law
        if self.config.has_tail:
            self._remember_in_tail(memory, new, clean_features)
        seen = visible[:, 0, num_clean:].sum(dim=2).masked_fill(~is_real, 0).sum(dim=1)
        contexts = WindowContexts(
            masked,
            features,
            by_number,
            first,
            memory.tail,
        )
        return Branched(
            law,
            draft,
            contexts.choose,
            replace(memory, run_ids=new.run_ids),
            Work(torch.ones_like(first), new.num + is_real.sum(dim=1), new.num_seen + seen),
        )

    def _unknown(
        self, token_ids: TokenIds, order: Order, first: Counts, last: Counts, memory: StreamKVCache
    ) -> "_Unknown":
        """The slots up to `last` that are not remembered; from `first` on none is."""
        num_slots = int(last.max()) + 1  # a wait for the device
        every = torch.arange(num_slots, device=first.device).expand(len(first), -1)
        ids, positions = self._held(token_ids, order, every)
        start = torch.minimum(memory.num_known(ids), first)
        num_new = int((last - start).max()) + 1
        # Aligned at their end: sequences with fewer new slots run some of the old ones again.
        slots = last[:, None] - torch.arange(num_new - 1, -1, -1, device=first.device)
        slots = slots.clamp(min=0)
        held_ids = ids.gather(1, slots)
        run_ids = memory.run_ids.scatter(1, slots, held_ids)
        # What was run behind the last saw other tokens, if it is ever asked for again.
        places = torch.arange(run_ids.shape[1], device=first.device)
        run_ids = run_ids.masked_fill(places > last[:, None], -1)
        return _Unknown(
            slots,
            num_slots,
            held_ids,
            holding=self._rotation(positions.gather(1, slots)),
            predicted=order.gather(1, slots),
            run_ids=run_ids,
            num=last - start + 1,
            num_seen=(start + 1 + last + 1) * (last - start + 1) // 2,
        )

    def _run(
        self,
        new: "_Unknown",
        masked_at: Int[Tensor, "B m"],
        rows: Int[Tensor, "B m"],
        visible: Bool[Tensor, "B 1 T R"],
        memory: StreamKVCache,
    ) -> tuple[Float[Tensor, "B n d"], Float[Tensor, "B m d"]]:
        """The trunk, over new slots and MASKs at some positions, which go into those rows."""
        masks = torch.full_like(masked_at, self.config.mask_id)
        x = self.embed(torch.cat([new.held_ids, masks], dim=1))
        query = self._rotation(torch.cat([new.predicted, masked_at], dim=1))
        key = _beside(new.holding, self._rotation(masked_at))
        layout = Layout(query, key, visible)
        written, num_rows = torch.cat([new.slots, rows], dim=1), visible.shape[3]
        for number, block in enumerate(self.trunk):
            x = block(x, layout, Cached(_rows(memory.trunk, number, num_rows), written))
        clean, masked = x.split([new.slots.shape[1], masked_at.shape[1]], dim=1)
        return clean, masked

    def _remember_in_tail(
        self, memory: StreamKVCache, new: "_Unknown", clean_features: Float[Tensor, "B n d"]
    ) -> None:
        """Keys and values of v_s in the tail's blocks, for the slots that were run."""
        token = self.embed(new.held_ids)
        y = self.tail_in(torch.cat([token, clean_features, torch.zeros_like(token)], dim=-1))
        for number, block in enumerate(self.tail):
            cached = Cached(_rows(memory.tail, number, new.num_slots), new.slots)
            if block is self.tail[-1]:
                cast(Block, block).remember(y, new.holding, cached)
                return
            row = torch.arange(new.num_slots, device=new.slots.device)
            visible = (row <= new.slots[..., None])[:, None]
            y = block(y, Layout(self._rotation(new.predicted), new.holding, visible), cached)

    @torch.inference_mode()
    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        """One tail pass over the columns asked for; tracks of earlier calls are remembered.

        Raises `ConfigError` if the network has no tail.
        """
        if not self.config.has_tail:
            raise ConfigError(
                "this network has no causal blocks (num_tail_blocks is 0), so it cannot verify "
                "what it drafted by a tail. Verify by the stream (--sampler lossless), or write "
                "one token per pass (--sampler autoregressive)."
            )
        context: WindowContext = draft.context
        # A window behind the last position, of a sequence that is finished, is about nothing.
        begin = context.first.clamp(max=order.shape[1] - 1)
        first, width = first.clamp(max=order.shape[1] - 1), context.masked.shape[1]
        last = (begin + width - 1).clamp(max=order.shape[1] - 1)[:, None]
        columns = first[:, None] + torch.arange(num_columns, device=first.device)
        columns = columns.minimum(last)
        start = torch.minimum(context.num_cached, first)
        num_tracks = int((columns[:, -1] - start).max()) + 1  # the one wait for the device
        slots = start[:, None] + torch.arange(num_tracks, device=first.device)
        slots = slots.minimum(columns[:, -1:])
        asking = columns - start[:, None]
        context.num_cached = columns[:, -1] + 1

        held_ids, held = self._held(filled_ids, order, slots)
        place = slots - begin[:, None]
        behind = gather_rows(context.features, (place - 1).clamp(min=0))
        behind = torch.where((place == 0)[..., None], context.clean_features[:, None], behind)
        ahead = gather_rows(context.features, place)
        y = self.tail_in(torch.cat([self.embed(held_ids), behind, ahead], dim=-1))
        holding = self._rotation(held)
        num_rows = int(columns.max()) + 2
        row = torch.arange(num_rows, device=first.device)
        for number, block in enumerate(self.tail):
            is_last = block is self.tail[-1]
            query_slots = columns if is_last else slots
            visible = (row <= query_slots[..., None] + 1)[:, None]
            layout = Layout(self._rotation(order.gather(1, query_slots)), holding, visible)
            cache = _rows(context.tail_memory, number, num_rows)
            is_all = is_last and num_tracks == num_columns
            asking_columns = asking if is_last and not is_all else None
            y = block(y, layout, Cached(cache, slots + 1, asking_columns))
        masked = gather_rows(context.masked, columns - begin[:, None])
        log_probs = self._log_probs(*self._target_head(y, masked))
        is_first = (first == begin)[:, None]
        log_probs[:, 0] = torch.where(is_first, draft.log_probs[:, 0], log_probs[:, 0])
        return log_probs

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        """The same draft for some sequences of the batch."""
        return Draft(draft.log_probs[rows], draft.context.select(rows))


def _beside(first: Rotation, second: Rotation) -> Rotation:
    """Of the tokens of one, then of the other."""
    return Rotation(torch.cat([first.cos, second.cos], 1), torch.cat([first.sin, second.sin], 1))


def _rows(memory: Tensor, block: int, num_rows: int) -> KeyValueCache:
    """The first rows of a block's keys and values, to be written into."""
    keys, values = memory[:, block, :, :, :num_rows].unbind(1)
    return KeyValueCache(keys, values)
