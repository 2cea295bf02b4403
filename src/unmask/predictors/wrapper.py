"""A predictor in front of another: it asks that one, and passes on what it does not change."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Bool

from unmask.predictors.kv_cache import CachedForward, KVCache, KVCacheShape
from unmask.predictors.protocol import Draft, longest
from unmask.shapes import TokenIds, WindowIds


class PredictorWrapper(ABC):
    """A `CachingPredictor`, if the one behind it is."""

    @property
    @abstractmethod
    def inner(self) -> Any:
        """The predictor that is asked."""

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        return int(self.inner.vocab_size)

    @property
    def max_length(self) -> int:
        """The longest sequence that can be taken."""
        return longest(self.inner)

    @property
    def device(self) -> torch.device:
        """Where token ids must live."""
        device: torch.device = self.inner.device
        return device

    @property
    def kv_cache_shape(self) -> KVCacheShape:
        """What is remembered of a token, if anything is."""
        shape: KVCacheShape = self.inner.kv_cache_shape
        return shape

    def read_positions(self, token_ids: TokenIds, positions: WindowIds) -> WindowIds:
        """See `CachingPredictor`."""
        places: WindowIds = self.inner.read_positions(token_ids, positions)
        return places

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """One pass."""
        made: Draft = self.inner.draft(token_ids, positions)
        return made

    def forward_cached(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        *,
        is_query: Bool[torch.Tensor, "B L"],
        memory: KVCache,
    ) -> CachedForward:
        """One pass over a part of the sequence. See `CachingPredictor`."""
        found: CachedForward = self.inner.forward_cached(
            token_ids, positions, is_query=is_query, memory=memory
        )
        return found
