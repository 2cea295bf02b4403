"""A sampler along an order, whose finished tokens are run once and remembered, exactly.

The memory is part of the state, so that sequences take theirs along when they leave a batch or
join one. The sampler itself does not know: it asks a predictor that remembers. Without this
wrapper it makes the same passes from their first token on: the slow twin.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Draft
from unmask.predictors.stream import (
    Branched,
    Extended,
    StreamKVCache,
    StreamPredictor,
    StreamShape,
)
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.common.ordered_state import check_reads_order
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.sampler import Sampler, layers
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.wrapped_state import WrappedState
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs


@dataclass(frozen=True)
class StreamedState(WrappedState):
    """A sampler's state, and what its predictor remembers."""

    memory: StreamKVCache


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A sampler, and how large the memory of its predictor is."""

    sampler: Sampler
    shape: StreamShape
    """`stream_shape` of the predictor."""

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> StreamedState:
        """The sampler's state; nothing is remembered."""
        inner = self.sampler.init(given_ids, mask_id=mask_id, draws=draws)
        return StreamedState(inner, StreamKVCache.blank(self.shape, len(given_ids)))

    def step(
        self, state: StreamedState, predictor: StreamPredictor, draws: Draws
    ) -> tuple[StreamedState, Cost[Counts]]:
        """One step of the sampler."""
        remembering = CachedStream(predictor, state.memory)
        inner, cost = self.sampler.step(state.inner, remembering, draws)
        # How many passes the step made is the sampler's to say, what they ran the memory's.
        work = replace(remembering.work, passes=cost.trunk.passes)
        return StreamedState(inner, remembering.memory), replace(cost, trunk=work)


class CachedStream:
    """A predictor that runs what is new of a batch of sequences, and counts it."""

    def __init__(self, predictor: StreamPredictor, memory: StreamKVCache) -> None:
        self._predictor, self.memory = predictor, memory
        self.vocab_size, self.device = predictor.vocab_size, predictor.device
        self.stream_shape, self.max_window = predictor.stream_shape, predictor.max_window
        self.first_target_is_draft = predictor.first_target_is_draft
        self.fills_in = predictor.fills_in
        none = torch.zeros(len(memory.run_ids), dtype=torch.long, device=self.device)
        self.work = Work(none, none, none)

    def _note(self, found: Extended | Branched) -> None:
        self.memory = found.memory
        self.work += found.work

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
        """See `StreamPredictor`; from what is remembered."""
        found = self._predictor.extend(
            token_ids,
            order,
            first=first,
            window=window,
            num_columns=num_columns,
            num_laws=num_laws,
            memory=self.memory,
        )
        self._note(found)
        return found

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
        """See `StreamPredictor`; from what is remembered."""
        found = self._predictor.branch(
            token_ids,
            order,
            first=first,
            num_candidates=num_candidates,
            length=length,
            num_columns=num_columns,
            memory=self.memory,
        )
        self._note(found)
        return found

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """See `Predictor`."""
        return self._predictor.draft(token_ids, positions)

    def verify(
        self, draft: Draft, *, filled_ids: TokenIds, order: Order, first: Counts, num_columns: int
    ) -> WindowLogProbs:
        """See `HybridPredictor`."""
        return self._predictor.verify(
            draft, filled_ids=filled_ids, order=order, first=first, num_columns=num_columns
        )

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        """See `HybridPredictor`."""
        return self._predictor.select(draft, rows)


def along_stream(sampler: Sampler, predictor: Any, given_ids: Int[Tensor, " L"]) -> Sampler:
    """The sampler as it runs on a predictor: with its memory, where the trunk is causal.

    Raises:
        ConfigError: the sampler needs a causal trunk and there is none, or it asks of a causal
            trunk what it was not trained for.
    """
    if not isinstance(predictor, StreamPredictor):
        for within in layers(sampler):
            if not isinstance(within, _OF_STREAMS):
                continue
            raise ConfigError(
                f"{type(within).__name__} follows the law of finished tokens read from left to "
                "right, and the trunk of this model, which looks at whole sequences, has none. "
                "Choose self-speculative or ancestral sampling, or a model with a causal trunk, "
                "such as text8s."
            )
        return sampler
    if isinstance(sampler, Streamed):
        return sampler
    shape, name = predictor.stream_shape, type(sampler).__name__
    if not isinstance(sampler, (*_OF_STREAMS, *_ALONG_AN_ORDER)):
        raise ConfigError(
            f"{name} reveals tokens wherever it likes, and this model writes from left to right, "
            f"behind what is given. Choose {_ways(predictor)}; or a model that reads any order, "
            "such as text8s-any."
        )
    if predictor.max_window == 0 and not isinstance(sampler, Autoregressive):
        raise ConfigError(
            f"{name} drafts windows of tokens, and this model, a plain left-to-right one, drafts "
            "nothing. Choose autoregressive, or a model that drafts, such as text8s."
        )
    drafts_in_turn = isinstance(sampler, _LOSSLESS) and sampler.drafts == "tail"
    if (drafts_in_turn or isinstance(sampler, SelfSpeculative | TargetOnly)) and (
        shape.num_tail_blocks == 0
    ):
        raise ConfigError(
            f"{name} needs causal blocks behind the trunk (a tail), and this model has none. "
            f"Choose {_ways(predictor)}; or a model with a tail, such as text8s."
        )
    if isinstance(sampler, _ALONG_AN_ORDER):
        check_reads_order(sampler.order, predictor)
    widest = _widest(sampler, len(given_ids))
    if widest > predictor.max_window:
        option = (
            "--sampler.num-tokens"
            if isinstance(sampler, _LOSSLESS)
            else "--sampler.window fixed and --sampler.window.num-tokens"
        )
        raise ConfigError(
            f"windows of up to {widest} tokens were asked for, and this model was trained to "
            f"draft {predictor.max_window} at most. Set {option} to that or less."
        )
    is_given = given_ids != predictor.vocab_size
    if not predictor.fills_in and bool((~is_given[:-1] & is_given[1:]).any()):
        raise ConfigError(
            "a template has text behind its blanks, and this model was trained on reading order "
            "alone: it would not look at it. Give a prompt, or choose a model that fills in, "
            "such as text8s-any."
        )
    if isinstance(sampler, LosslessBranching):
        shape = replace(shape, num_scratch=max(shape.num_scratch, sampler.num_scratch))
    return Streamed(sampler=sampler, shape=shape)


def _ways(predictor: StreamPredictor) -> str:
    """How a model with a causal trunk can be sampled."""
    if predictor.max_window == 0:
        return "autoregressive"
    if predictor.stream_shape.num_tail_blocks == 0:
        return "autoregressive, fixed-partition, or lossless with factorised drafts"
    return (
        "one of lossless, lossless-branching, self-speculative, target-only, fixed-partition and "
        "autoregressive"
    )


def _widest(sampler: Sampler, length: int) -> int:
    """The longest window that a sampler can open in sequences of a length."""
    if isinstance(sampler, _ALONG_AN_ORDER):
        return int(sampler.window.size(torch.arange(length), length).max())
    return min(sampler.num_tokens, length) if isinstance(sampler, _LOSSLESS) else 0


_ALONG_AN_ORDER = (SelfSpeculative, TargetOnly, FixedPartition)
_LOSSLESS = (Lossless, LosslessBranching)
_OF_STREAMS = (*_LOSSLESS, Autoregressive)
