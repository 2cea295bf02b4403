"""What a caching predictor remembers of sequences from pass to pass.

A pass may run some tokens of a sequence only, its *queries*; of the others it takes the keys and
values that they had when they were run last. A bidirectional model's keys depend on everything,
so this approximates a whole pass, unless nothing has changed.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unmask.batches import Rows, padded_with
from unmask.cost import Work
from unmask.predictors.protocol import Draft, Predictor
from unmask.shapes import PAD, Counts, TokenIds, WindowIds


@dataclass(frozen=True)
class KVCacheShape:
    """How large the memory of one token is."""

    num_blocks: int
    num_key_heads: int
    channels: int
    """Of each key."""
    width: int
    """Of the hidden state."""
    dtype: torch.dtype
    device: torch.device

    @property
    def bytes_per_token(self) -> int:
        """Keys and values of all blocks, and the hidden state."""
        numbers = 2 * self.num_blocks * self.num_key_heads * self.channels + self.width
        return numbers * self.dtype.itemsize


@dataclass(frozen=True)
class KVCache(Rows):
    """Of each position, what its last run left."""

    run_ids: TokenIds = field(metadata=padded_with(PAD))
    """The token that stood there then; PAD where none was run."""
    hidden: Float[Tensor, "B L d"] = field(metadata=padded_with(0.0))
    keys_values: Float[Tensor, "B L N 2 G c"] = field(metadata=padded_with(0.0))
    """Of each of N blocks; keys are turned already."""

    @classmethod
    def blank(cls, shape: KVCacheShape, token_ids: TokenIds) -> "KVCache":
        """Nothing is remembered of these sequences yet."""
        per_key = (shape.num_blocks, 2, shape.num_key_heads, shape.channels)
        number = torch.zeros((), dtype=shape.dtype, device=shape.device)
        return cls(
            torch.full_like(token_ids, PAD),
            number.new_zeros(*token_ids.shape, shape.width),
            number.new_zeros(*token_ids.shape, *per_key),
        )


@dataclass(frozen=True)
class CachedForward:
    """What a pass over some tokens says, what is remembered now, and what it took."""

    draft: Draft
    memory: KVCache
    work: Work[Counts]
    """Tokens that were run, and pairs of such a one and one that it attended to."""


@runtime_checkable
class CachingPredictor(Predictor, Protocol):
    """A predictor that can run a part of a sequence and remember the rest."""

    @property
    def kv_cache_shape(self) -> KVCacheShape: ...

    def read_positions(self, token_ids: TokenIds, positions: WindowIds) -> WindowIds:
        """The positions that must be run for a prediction at `positions`."""
        ...

    def forward_cached(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        *,
        is_query: Bool[Tensor, "B L"],
        memory: KVCache,
    ) -> CachedForward:
        """One pass over the queries; distributions at `positions`, as these are remembered now.

        What was never run and is not now is not attended to.
        """
        ...
