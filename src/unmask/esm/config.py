"""What a protein language model of the ESM family is: its config.json, as one value.

ESM-2 (8M to 15B) and DPLM, which has its layout: transformers with biases everywhere, whose
embeddings are scaled by the share of masks (`token_dropout`). ESM-C (300M, 600M): Llama's blocks
with LayerNorm, norms of queries and keys, and a scale of what blocks add.

Sources: Lin et al. (2023), "Evolutionary-scale prediction of atomic-level protein structure with
a language model"; Wang et al. (2024), arXiv:2402.18567 (DPLM); the config files published with
their weights.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from unmask.errors import ConfigError
from unmask.files.published_config import Family
from unmask.network.config import BlockShape, HybridConfig

FamilyName = Literal["esm", "esmc"]
"""As `model_type` in config.json spells it."""
MASK_ID = 32
"""Of every model of the family; the tokens before it are those of `Residues`."""

_SHARED = {
    "num_rows": "vocab_size",
    "width": "hidden_size",
    "hidden": "intermediate_size",
    "num_blocks": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "max_positions": "max_position_embeddings",
    "rope_theta": "rope_theta",
    "tied": "tie_word_embeddings",
}
_OF_OTHER_USES = {"classifier_dropout", "eos_token_id", "esmfold_config", "initializer_range"}

FAMILIES = {
    "esm": Family(
        name="esm",
        names=_SHARED | {"norm_eps": "layer_norm_eps", "token_dropout": "token_dropout"},
        must_be={
            "position_embedding_type": "rotary",
            "mask_token_id": MASK_ID,
            "pad_token_id": 1,
            "hidden_act": "gelu",
            "emb_layer_norm_before": False,
            "is_folding_model": False,
        },
        must_say=frozenset({"position_embedding_type", "mask_token_id"}),
        changes_nothing=frozenset(
            {"attention_probs_dropout_prob", "hidden_dropout_prob", "vocab_list", *_OF_OTHER_USES}
        ),
        assumed={
            "rope_theta": 10_000.0,
            "tie_word_embeddings": True,
            "token_dropout": False,
            "layer_norm_eps": 1e-12,
            "vocab_size": 33,
        },
    ),
    "esmc": Family(
        name="esmc",
        names=_SHARED,
        must_be={
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "mask_token_id": MASK_ID,
            "pad_token_id": 1,
        },
        changes_nothing=frozenset({"num_key_value_heads", *_OF_OTHER_USES}),
        assumed={"rope_theta": 10_000.0, "tie_word_embeddings": False, "vocab_size": 64},
    ),
}
"""By their `model_type`."""


@dataclass(frozen=True, kw_only=True)
class EsmConfig:
    """Shape of the network. Defaults make a model for tests."""

    family: FamilyName = "esm"
    num_rows: int = 33
    """Of the embedding, 33 or more: those after MASK are never used."""
    width: int = 64
    hidden: int = 256
    """Width inside each MLP."""
    num_blocks: int = 2
    num_heads: int = 4
    max_positions: int = 258
    """As config.json has it: ESM-2 counts two for which there are no tokens."""
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-5
    tied: bool = True
    """Whether embedding and unembedding are one matrix."""
    token_dropout: bool = False
    """Whether masks embed as zero, and the rest is scaled up for it."""

    def __post_init__(self) -> None:
        self._check(self.num_rows > MASK_ID, "num_rows", f"must be more than MASK's {MASK_ID}")
        self._check(self.norm_eps > 0, "norm_eps", "must be positive")
        self._check(
            self.rope_theta == 10_000, "rope_theta", "must be 10,000, with which ESM was published"
        )
        self._check(self.family in FAMILIES, "family", f"must be one of {tuple(FAMILIES)}")
        self._check(self.hidden >= 1, "hidden", "must be at least 1")
        self.hybrid  # noqa: B018  (checks what is shared with every network that drafts)

    def _check(self, is_fine: bool, name: str, rule: str) -> None:
        if not is_fine:
            raise ConfigError(f"EsmConfig.{name} {rule}, got {getattr(self, name)!r}.")

    @property
    def length(self) -> int:
        """The longest sequence, ends included."""
        return self.max_positions - (2 if self.family == "esm" else 0)

    @property
    def hybrid(self) -> HybridConfig:
        """The same as a network that drafts, and has no tail."""
        return HybridConfig(
            vocab_size=MASK_ID,
            length=self.length,
            width=self.width,
            num_heads=self.num_heads,
            num_trunk_blocks=self.num_blocks,
            num_tail_blocks=0,
        )

    @property
    def block(self) -> BlockShape:
        """Of its blocks."""
        is_esmc = self.family == "esmc"
        return BlockShape(
            width=self.width,
            hidden=self.hidden,
            num_heads=self.num_heads,
            num_key_heads=self.num_heads,
            activation="silu" if is_esmc else "gelu-erf",
            is_gated=is_esmc,
            norm_eps=self.norm_eps,
            has_fused_qkv=False,
            has_qkv_bias=not is_esmc,
            has_bias=not is_esmc,
            has_norm_bias=True,
            normalises_queries=is_esmc,
            residual_scale=math.sqrt(self.num_blocks / 36) if is_esmc else 1.0,
        )

    def to_json(self) -> dict[str, Any]:
        """The config.json of the family."""
        family = FAMILIES[self.family]
        values = {"model_type": self.family, **family.must_be}
        return values | {theirs: getattr(self, ours) for ours, theirs in family.names.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "EsmConfig":
        """What a config.json of a family says.

        Raises:
            ConfigError: it lacks a field, or asks for what is not here.
        """
        family = FAMILIES[values["model_type"]]
        found, _ = family.read(values)
        kinds = {name: each.type for name, each in cls.__dataclass_fields__.items()}
        return cls(family=values["model_type"], **family.checked(found, kinds))
