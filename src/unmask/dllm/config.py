"""What a large masked diffusion model is: LLaDA's and Dream's config.json, as one value.

Both are transformers of the Llama family that attend in both directions. LLaDA (8B Base, 8B
Instruct, 1.5) keeps a bias nowhere and as many key heads as query heads; Dream is Qwen2.5 with
its biases and its fewer key heads, and what it says at a position is about the next one.

Sources: Nie et al. (2025), arXiv:2502.09992; Ye et al. (2025), arXiv:2508.15487; the config files
published with their weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from unmask.dllm.published_config import FAMILIES, fields_of
from unmask.errors import ConfigError
from unmask.network.config import MOST, BlockShape

Family = Literal["llada", "Dream"]
"""As `model_type` in config.json spells it."""


@dataclass(frozen=True, kw_only=True)
class DllmConfig:
    """Shape of the network, and the ids with a meaning. Defaults make a model for tests."""

    family: Family = "llada"
    vocab_size: int = 64
    """V, the rows of the embedding. Its own id for masks is among them; in this package MASK is
    V, and no predictor says that a token is a mask."""
    width: int = 64
    hidden: int = 128
    """Width inside each MLP."""
    num_blocks: int = 2
    num_heads: int = 4
    num_key_heads: int = 4
    """Of keys and values; each serves num_heads / num_key_heads query heads."""
    length: int = 256
    """Longest sequence, prompt included."""
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    tied: bool = False
    """Whether embedding and unembedding are one matrix."""
    mask_token_id: int = 63
    eos_token_id: int = 62
    """Ends a text, and fills what is left of the canvas."""
    other_end_ids: Sequence[int] = ()
    """More tokens that end a text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "other_end_ids", tuple(self.other_end_ids))  # YAML has lists
        for name in ("vocab_size", "width", "hidden", "num_blocks", "length"):
            self._check(1 <= getattr(self, name) <= MOST, name, f"must be from 1 to {MOST:,}")
        self._check(
            self.num_heads >= 1 and self.width % (2 * self.num_heads) == 0,
            "num_heads",
            f"must give each head an even share of the width {self.width}",
        )
        self._check(
            self.num_key_heads >= 1 and self.num_heads % self.num_key_heads == 0,
            "num_key_heads",
            f"must divide the {self.num_heads} heads",
        )
        for name in ("mask_token_id", "eos_token_id"):
            is_id = 0 <= getattr(self, name) < self.vocab_size
            self._check(is_id, name, f"must be an id below vocab_size, {self.vocab_size}")
        self._check(self.rope_theta > 0, "rope_theta", "must be positive")
        self._check(self.norm_eps > 0, "norm_eps", "must be positive")
        self._check(self.family in FAMILIES, "family", f"must be one of {tuple(FAMILIES)}")

    def _check(self, is_fine: bool, name: str, rule: str) -> None:
        if not is_fine:
            raise ConfigError(f"DllmConfig.{name} {rule}, got {getattr(self, name)!r}.")

    @property
    def block(self) -> BlockShape:
        """Of its blocks: Llama's."""
        return BlockShape(
            width=self.width,
            hidden=self.hidden,
            num_heads=self.num_heads,
            num_key_heads=self.num_key_heads,
            activation="silu",
            is_gated=True,
            norm="rms",
            norm_eps=self.norm_eps,
            has_fused_qkv=False,
            has_qkv_bias=self.has_qkv_bias,
        )

    @property
    def mask_id(self) -> int:
        """The id of MASK in this package: V."""
        return self.vocab_size

    first_target = "draft"
    """There is no tail: the target is the draft."""

    @property
    def is_shifted(self) -> bool:
        """Whether the network says at a position what comes after it."""
        return self.family == "Dream"

    @property
    def has_qkv_bias(self) -> bool:
        """Whether queries, keys and values have a bias."""
        return self.family == "Dream"

    @property
    def num_weights(self) -> int:
        """Weights in all."""
        channels = self.width // self.num_heads
        rows = (self.num_heads + 2 * self.num_key_heads) * channels
        attention = rows * (self.width + self.has_qkv_bias) + self.width**2
        block = attention + 3 * self.width * self.hidden + 2 * self.width
        embeddings = (1 if self.tied else 2) * self.vocab_size * self.width
        return self.num_blocks * block + embeddings + self.width

    def nfe(self, trunk_passes: float, tail_passes: float) -> float:
        """Network function evaluations: every pass goes through all blocks."""
        return trunk_passes + tail_passes

    def to_json(self) -> dict[str, Any]:
        """The config.json of the family."""
        family = FAMILIES[self.family]
        values = {"model_type": self.family, **family.must_be}
        values |= {theirs: getattr(self, ours) for ours, theirs in family.names.items()}
        if self.other_end_ids:
            values["eos_token_id"] = [self.eos_token_id, *self.other_end_ids]
        if self.family == "llada":
            values["vocab_size"] = self.vocab_size
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DllmConfig":
        """What a config.json of a family says.

        Raises:
            ConfigError: it is of another family, lacks a field, or asks for what is not here.
        """
        found, _ = fields_of(values)
        kinds = {name: each.type for name, each in cls.__dataclass_fields__.items()}
        return cls(**FAMILIES[found["family"]].checked(found, kinds))
