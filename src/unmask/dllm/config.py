"""What a large masked diffusion model is: LLaDA's and Dream's config.json, as one value.

Both are transformers of the Llama family that attend in both directions. LLaDA (8B Base, 8B
Instruct, 1.5) keeps a bias nowhere and as many key heads as query heads; Dream is Qwen2.5 with
its biases and its fewer key heads, and what it says at a position is about the next one.

Sources: Nie et al. (2025), arXiv:2502.09992; Ye et al. (2025), arXiv:2508.15487; the config files
published with their weights.
"""

from dataclasses import dataclass
from typing import Any, Literal

from unmask.errors import ConfigError
from unmask.network.config import BlockShape

Family = Literal["llada", "Dream"]
"""As `model_type` in config.json spells it."""

_FIELDS: dict[str, dict[str, str]] = {
    "llada": {
        "vocab_size": "embedding_size",
        "width": "d_model",
        "hidden": "mlp_hidden_size",
        "num_blocks": "n_layers",
        "num_heads": "n_heads",
        "num_key_heads": "n_kv_heads",
        "length": "max_sequence_length",
        "rope_theta": "rope_theta",
        "norm_eps": "rms_norm_eps",
        "tied": "weight_tying",
        "mask_token_id": "mask_token_id",
        "eos_token_id": "eos_token_id",
    },
    "Dream": {
        "vocab_size": "vocab_size",
        "width": "hidden_size",
        "hidden": "intermediate_size",
        "num_blocks": "num_hidden_layers",
        "num_heads": "num_attention_heads",
        "num_key_heads": "num_key_value_heads",
        "length": "max_position_embeddings",
        "rope_theta": "rope_theta",
        "norm_eps": "rms_norm_eps",
        "tied": "tie_word_embeddings",
        "mask_token_id": "mask_token_id",
        "eos_token_id": "eos_token_id",
    },
}
"""What each of our fields is called in the config.json of a family."""

_MUST_BE: dict[str, dict[str, Any]] = {
    "llada": {
        "block_type": "llama",
        "activation_type": "silu",
        "layer_norm_type": "rms",
        "rope": True,
        "alibi": False,
        "include_bias": False,
        "include_qkv_bias": False,
        "scale_logits": False,
        "input_emb_norm": False,
        "attention_layer_norm": False,
    },
    "Dream": {"hidden_act": "silu", "use_sliding_window": False, "rope_scaling": None},
}
"""Choices of other models that share a family's file format, and that this code does not have."""


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

    def __post_init__(self) -> None:
        for name in ("vocab_size", "width", "hidden", "num_blocks", "length"):
            self._check(getattr(self, name) >= 1, name, "must be at least 1")
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
        self._check(self.family in _FIELDS, "family", f"must be one of {tuple(_FIELDS)}")

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
        names = _FIELDS[self.family]
        fixed = {key: value for key, value in _MUST_BE[self.family].items() if value is not None}
        values = {"model_type": self.family, **fixed}
        values |= {theirs: getattr(self, ours) for ours, theirs in names.items()}
        if self.family == "llada":
            values["vocab_size"] = self.vocab_size
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "DllmConfig":
        """What a config.json of a family says.

        Raises:
            ConfigError: it is of another family, lacks a field, or asks for what is not here.
        """
        family = values.get("model_type")
        if family not in _FIELDS:
            raise ConfigError(
                f"model_type is {family!r}; of large masked diffusion models unmask reads "
                f"{', '.join(map(repr, _FIELDS))}."
            )
        for name, wanted in _MUST_BE[family].items():
            if values.get(name, wanted) != wanted:
                raise ConfigError(
                    f"{name} is {values[name]!r}; the models of type {family!r} that unmask reads "
                    f"have {wanted!r}."
                )
        found: dict[str, Any] = {"family": family}
        for ours, theirs in _FIELDS[family].items():
            value = _default(values, family, theirs) if theirs not in values else values[theirs]
            kind = cls.__dataclass_fields__[ours].type
            if kind is float and type(value) is int:
                value = float(value)
            if type(value) is not kind:
                raise ConfigError(
                    f"{theirs} must be of type {getattr(kind, '__name__', kind)}, got {value!r}."
                )
            found[ours] = value
        return cls(**found)


def _default(values: dict[str, Any], family: str, name: str) -> Any:
    """Fields that published files may leave out."""
    if name == "n_kv_heads":
        return values.get("n_heads")
    if name == "embedding_size":
        return values.get("vocab_size")
    if name in ("weight_tying", "tie_word_embeddings"):
        return False
    raise ConfigError(f"there is no {name}, which a model of type {family!r} needs.")
