"""A large model with a causal tail (network/adapted.py), and all that its trunk can do."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unmask.dllm.network import DllmNetwork
from unmask.network.adapted import AdaptedNetwork, TailConfig
from unmask.network.cache import gather_rows
from unmask.predictors.kv_cache import CachedForward, KVCache, KVCacheShape
from unmask.predictors.shadows import Shadowed
from unmask.shapes import TokenIds, WindowIds


class AdaptedDllm(AdaptedNetwork):
    """A large model that verifies."""

    def __init__(self, trunk: DllmNetwork, tail: TailConfig, seed: int = 0) -> None:
        super().__init__(trunk, tail, seed)
        self.never_predicted_ids = (trunk.config.mask_token_id, *trunk.never_predicted_ids)

    @property
    def trunk(self) -> DllmNetwork:
        """The frozen network."""
        found: DllmNetwork = self._frozen.network
        return found

    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """The trunk's, each at the position it is about."""
        hidden = self.trunk.hidden_states(token_ids)
        if not self.trunk.config.is_shifted:
            return hidden
        every = torch.arange(token_ids.shape[1], device=token_ids.device).expand_as(token_ids)
        return gather_rows(hidden, self.trunk.read_positions(token_ids, every))

    @property
    def kv_cache_shape(self) -> KVCacheShape:
        """See `DllmNetwork`."""
        return self.trunk.kv_cache_shape

    def read_positions(self, token_ids: TokenIds, positions: WindowIds) -> WindowIds:
        """See `DllmNetwork`."""
        return self.trunk.read_positions(token_ids, positions)

    def forward_cached(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        *,
        is_query: Bool[Tensor, "B L"],
        memory: KVCache,
    ) -> CachedForward:
        """See `DllmNetwork`."""
        return self.trunk.forward_cached(token_ids, positions, is_query=is_query, memory=memory)

    @property
    def casts_shadows(self) -> bool:
        """Whether the trunk does."""
        return self.trunk.casts_shadows

    def shadowed(
        self,
        token_ids: TokenIds,
        positions: WindowIds,
        shadows: Int[Tensor, "B S"],
        together: Bool[Tensor, "B S"] | None = None,
    ) -> Shadowed:
        """See `DllmNetwork`."""
        return self.trunk.shadowed(token_ids, positions, shadows, together)


def adapted_kind(trunk: Any) -> type[AdaptedNetwork]:
    """What a trunk becomes with a tail."""
    return AdaptedDllm if isinstance(trunk, DllmNetwork) else AdaptedNetwork
