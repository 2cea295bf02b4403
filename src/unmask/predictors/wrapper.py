"""A predictor in front of another: it asks that one, and passes on what it does not change."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Bool

from unmask.predictors.kv_cache import Memory, MemoryShape, Recalled
from unmask.predictors.protocol import Draft
from unmask.shapes import TokenIds, WindowIds


class StandIn(ABC):
    """A `CachingPredictor`, if the one behind it is."""

    @property
    @abstractmethod
    def behind(self) -> Any:
        """The predictor that is asked."""

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        return int(self.behind.vocab_size)

    @property
    def device(self) -> torch.device:
        """Where token ids must live."""
        device: torch.device = self.behind.device
        return device

    @property
    def memory_shape(self) -> MemoryShape:
        """What is remembered of a token, if anything is."""
        shape: MemoryShape = self.behind.memory_shape
        return shape

    def said_at(self, token_ids: TokenIds, positions: WindowIds) -> WindowIds:
        """See `CachingPredictor`."""
        places: WindowIds = self.behind.said_at(token_ids, positions)
        return places

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """One pass."""
        made: Draft = self.behind.draft(token_ids, positions)
        return made

    def recall(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        *,
        is_query: Bool[torch.Tensor, "B L"],
        memory: Memory,
    ) -> Recalled:
        """One pass over a part of the sequence. See `CachingPredictor`."""
        found: Recalled = self.behind.recall(
            token_ids, positions, is_query=is_query, memory=memory
        )
        return found
