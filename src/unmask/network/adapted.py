"""A network with a causal tail: frozen, it drafts as before, and now it also verifies.

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
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from unmask.draws import weight_generator
from unmask.errors import ConfigError
from unmask.network.blocks import init_weights
from unmask.network.config import Activation, HybridConfig, TailInputs, TailRotary
from unmask.network.rotary import Rotary
from unmask.network.tail import TailedNetwork
from unmask.shapes import TokenIds


@runtime_checkable
class Trunk(Protocol):
    """A network that drafts, as its tail sees it; a module of torch."""

    norm: Any
    """Behind the last block: what the unembedding reads."""
    unembedding: Any
    config: Any
    """With `width`, `num_heads` and `num_blocks`."""
    never_predicted_ids: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted."""
        ...

    @property
    def max_length(self) -> int:
        """The longest sequence that can be taken."""
        ...

    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """One per position, before the norm."""
        ...

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """Tokens, MASK among them."""
        ...


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

    def on(self, trunk: Trunk) -> HybridConfig:
        """The network that trunk and tail make. Raises `ConfigError` if a choice cannot be."""
        return HybridConfig(
            vocab_size=trunk.vocab_size,
            length=trunk.max_length,
            width=trunk.config.width,
            num_heads=trunk.config.num_heads,
            num_trunk_blocks=trunk.config.num_blocks,
            num_tail_blocks=self.num_tail_blocks,
            mlp_ratio=self.mlp_ratio,
            activation=self.activation,
            dropout=self.dropout,
            tail_inputs=self.tail_inputs,
            tail_rotary=self.tail_rotary,
        )


class _Frozen:
    """A network that is used but not trained: no weight of what holds it, and never copied."""

    def __init__(self, network: Any) -> None:
        self.network = network.requires_grad_(False).eval()

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Frozen":
        return self


class AdaptedNetwork(TailedNetwork):
    """A `HybridPredictor` on a frozen trunk. New weights are drawn from `seed` alone."""

    def __init__(self, trunk: Any, tail: TailConfig, seed: int = 0) -> None:
        super().__init__()
        self._frozen = _Frozen(trunk)
        self.tail_config = tail
        self.config = tail.on(trunk)
        self.never_predicted_ids = trunk.never_predicted_ids
        self.rotary = Rotary(self.config.length, self.config.width // self.config.num_heads)
        self.add_tail(self.config)
        generator = weight_generator(seed)
        init_weights(self, generator)
        self.init_tail(generator)

    @property
    def trunk(self) -> Any:
        """The frozen network, a `Trunk`."""
        return self._frozen.network

    @property
    def norm(self) -> Any:
        """The trunk's."""
        return self.trunk.norm

    @property
    def unembedding(self) -> Any:
        """The trunk's."""
        return self.trunk.unembedding

    @property
    def device(self) -> Any:
        """Where the weights are."""
        return self.trunk.device

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "AdaptedNetwork":
        """Where the tail goes, the trunk goes too."""
        self.trunk._apply(fn)
        super()._apply(fn)  # type: ignore[no-untyped-call]
        return self

    def hidden_states(self, token_ids: TokenIds) -> Float[Tensor, "B L d"]:
        """The trunk's, each at the position it is about."""
        found: Float[Tensor, "B L d"] = self.trunk.hidden_states(token_ids)
        return found

    def embed(self, token_ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T d"]:
        """The trunk's embeddings, on the scale of its features."""
        return F.layer_norm(self.trunk.embed(token_ids), (self.config.width,))
