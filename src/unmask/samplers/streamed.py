"""A sampler along an order, whose finished tokens are run once and remembered, exactly.

The memory is part of the state, so that sequences take theirs along when they leave a batch or
join one. The sampler itself does not know: it asks a predictor that remembers. Without this
wrapper it makes the same passes from their first token on: the slow twin.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import Draws
from unmask.predictors.protocol import Draft
from unmask.predictors.stream import Extended, StreamMemory, StreamPredictor, StreamShape
from unmask.rows import Rows
from unmask.samplers.sampler import Sampler, StepInfo
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs


@dataclass(frozen=True)
class StreamedState(Rows):
    """A sampler's state, and what its predictor remembers."""

    inner: Any
    memory: StreamMemory

    @property
    def token_ids(self) -> TokenIds:
        """The sequences."""
        token_ids: TokenIds = self.inner.token_ids
        return token_ids

    @property
    def origin(self) -> Counts:
        """The first position that is wanted."""
        origin: Counts = self.inner.origin
        return origin

    def rewritten(self, token_ids: TokenIds, *, mask_id: int) -> "StreamedState":
        """The state with other tokens; what is remembered of the old ones is not used."""
        return replace(self, inner=self.inner.rewritten(token_ids, mask_id=mask_id))

    @property
    def is_done(self) -> Bool[Tensor, " B"]:
        """Which sequences are finished."""
        is_done: Bool[Tensor, " B"] = self.inner.is_done
        return is_done


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A sampler, and how large the memory of its predictor is."""

    sampler: Sampler
    shape: StreamShape
    """`stream_shape` of the predictor."""

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> StreamedState:
        """The sampler's state; nothing is remembered."""
        inner = self.sampler.init(given_ids, mask_id=mask_id, draws=draws)
        return StreamedState(inner, StreamMemory.blank(self.shape, len(given_ids)))

    def step(
        self, state: StreamedState, predictor: StreamPredictor, draws: Draws
    ) -> tuple[StreamedState, StepInfo]:
        """One step of the sampler."""
        remembering = RememberingStream(predictor, state.memory)
        inner, info = self.sampler.step(state.inner, remembering, draws)
        info = replace(
            info, query_tokens=remembering.query_tokens, query_keys=remembering.query_keys
        )
        return StreamedState(inner, remembering.memory), info


class RememberingStream:
    """A predictor that runs what is new of a batch of sequences, and counts it."""

    def __init__(self, predictor: StreamPredictor, memory: StreamMemory) -> None:
        self._predictor, self.memory = predictor, memory
        self.vocab_size, self.device = predictor.vocab_size, predictor.device
        self.stream_shape, self.max_window = predictor.stream_shape, predictor.max_window
        self.first_target_is_draft = predictor.first_target_is_draft
        none = torch.zeros(len(memory.run_ids), dtype=torch.long, device=self.device)
        self.query_tokens, self.query_keys = none, none

    def extend(
        self,
        token_ids: TokenIds,
        order: Order,
        *,
        first: Counts,
        window: Counts,
        num_columns: int,
        num_laws: int = 1,
        memory: StreamMemory | None = None,
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
        self.memory = found.memory
        self.query_tokens = self.query_tokens + found.query_tokens
        self.query_keys = self.query_keys + found.query_keys
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
