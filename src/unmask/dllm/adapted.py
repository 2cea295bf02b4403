"""A large model with a causal tail: frozen, it drafts as before, and now it also verifies.

    h       = the trunk's hidden states, before its last norm, each about its own position
    target  = tail(h, tokens, order)                         see network/tail.py

Norm and unembedding of the tail are the trunk's, so that a new tail says exactly what the trunk
says. Only the tail is trained, and only the tail is written. Samplers that need a verifier work
on it, prompts included, and so does all that works on the trunk.

Source: Campbell et al. (2025), arXiv:2510.03929, who train one causal block on a frozen masked
diffusion model of proteins.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork
from unmask.draws import weight_generator
from unmask.errors import ConfigError
from unmask.network.blocks import init_weights
from unmask.network.cache import gather_rows
from unmask.network.config import Activation, HybridConfig, TailInputs, TailRotary
from unmask.network.rotary import Rotary
from unmask.network.tail import TailedNetwork
from unmask.predictors.kv_cache import CachedForward, KVCache, KVCacheShape
from unmask.predictors.shadows import Shadowed
from unmask.shapes import TokenIds, WindowIds


@dataclass(frozen=True, kw_only=True)
class TailConfig:
    """The causal tail of a trunk that is there; its width and heads are the trunk's."""

    num_tail_blocks: int = 1
    """Causal blocks, at least 1."""
    mlp_ratio: float = 4.0
    """Hidden width of each MLP over the width of the trunk."""
    activation: Activation = "relu2"
    """Of the MLPs."""
    dropout: float = 0.0
    """Share of each block's contribution dropped while training."""
    tail_inputs: TailInputs = "token+current+next"
    """What a track reads; see `HybridConfig`."""
    tail_rotary: TailRotary = "crossed"
    """By which positions queries and keys turn; see `HybridConfig`."""

    def __post_init__(self) -> None:
        if self.num_tail_blocks < 1:
            raise ConfigError(
                f"TailConfig.num_tail_blocks must be at least 1, got {self.num_tail_blocks}: "
                "without a causal block nothing verifies."
            )

    def on(self, trunk: DllmConfig) -> HybridConfig:
        """The network that trunk and tail make. Raises `ConfigError` if a choice cannot be."""
        return HybridConfig(
            vocab_size=trunk.vocab_size,
            length=trunk.length,
            width=trunk.width,
            num_heads=trunk.num_heads,
            num_trunk_blocks=trunk.num_blocks,
            num_tail_blocks=self.num_tail_blocks,
            mlp_ratio=self.mlp_ratio,
            activation=self.activation,
            dropout=self.dropout,
            tail_inputs=self.tail_inputs,
            tail_rotary=self.tail_rotary,
        )


class _Frozen:
    """A network that is used but not trained: no weight of what holds it, and never copied."""

    def __init__(self, network: DllmNetwork) -> None:
        self.network = network.requires_grad_(False).eval()

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Frozen":
        return self


class AdaptedNetwork(TailedNetwork):
    """A `HybridPredictor` on a frozen trunk. New weights are drawn from `seed` alone."""

    def __init__(self, trunk: DllmNetwork, tail: TailConfig, seed: int = 0) -> None:
        super().__init__()
        self._frozen = _Frozen(trunk)
        self.tail_config = tail
        self.config = tail.on(trunk.config)
        self.never_predicted_ids = (trunk.config.mask_token_id, *trunk.never_predicted_ids)
        self.rotary = Rotary(self.config.length, self.config.width // self.config.num_heads)
        self.add_tail(self.config)
        generator = weight_generator(seed)
        init_weights(self, generator)
        self.init_tail(generator)

    @property
    def trunk(self) -> DllmNetwork:
        """The frozen network."""
        return self._frozen.network

    @property
    def norm(self) -> nn.Module:
        """The trunk's."""
        return self.trunk.norm

    @property
    def unembedding(self) -> nn.Linear:
        """The trunk's."""
        return self.trunk.unembedding

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.trunk.device

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "AdaptedNetwork":
        """Where the tail goes, the trunk goes too."""
        self.trunk._apply(fn)  # type: ignore[no-untyped-call]
        super()._apply(fn)  # type: ignore[no-untyped-call]
        return self

    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """The trunk's, each at the position it is about."""
        hidden = self.trunk.hidden_states(token_ids)
        if not self.trunk.config.is_shifted:
            return hidden
        every = torch.arange(token_ids.shape[1], device=token_ids.device).expand_as(token_ids)
        return gather_rows(hidden, self.trunk.read_positions(token_ids, every))

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """The trunk's embeddings, on the scale of its features."""
        return F.layer_norm(self.trunk.embed(token_ids), (self.config.width,))

    # What the trunk can do.

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
