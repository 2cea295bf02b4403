"""The choices that make a hybrid network. A value: saved as JSON beside the weights."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from unmask.errors import ConfigError

TailInputs = Literal["token", "token+current", "token+current+next"]
TailRotary = Literal["crossed", "halves"]
FirstTarget = Literal["draft", "start-track", "stream"]
Heads = Literal["tied", "separate"]
Activation = Literal["relu2", "silu", "gelu", "gelu-erf"]
"""gelu is its usual approximation by tanh, gelu-erf the exact one."""
Reach = Literal["whole", "causal"]


MOST = 2**28
"""Of anything that a network has: what is more was never meant."""
MOST_LENGTH = 2**18
"""Of a hybrid's sequences, for each position of which a table of angles is kept."""


@dataclass(frozen=True, kw_only=True)
class BlockShape:
    """What the blocks of a network are made of (network/blocks.py)."""

    width: int
    hidden: int
    """Width inside each MLP."""
    num_heads: int
    num_key_heads: int
    """Of keys and values; each serves num_heads / num_key_heads query heads."""
    activation: Activation
    is_gated: bool = False
    """Whether the MLP is of Llama's kind."""
    norm: Literal["layer", "rms"] = "layer"
    norm_eps: float = 1e-5
    has_fused_qkv: bool = True
    """Whether queries, keys and values are made by one matrix."""
    has_qkv_bias: bool = False
    """Where they are made by three."""
    has_bias: bool = False
    """Of the other matrices."""
    has_norm_bias: bool = False
    """Of a LayerNorm."""
    normalises_queries: bool = False
    """Whether queries and keys go through a norm, of all heads together."""
    residual_scale: float = 1.0
    """What the contribution of attention and of the MLP is divided by."""
    dropout: float = 0.0


@dataclass(frozen=True, kw_only=True)
class HybridConfig:
    """Shape and ablations of the hybrid transformer (arXiv:2510.03929, section 3)."""

    vocab_size: int = 27
    """V, without MASK."""
    length: int = 256
    """Longest sequence the network reads."""
    width: int = 192
    """d, the width of the residual stream."""
    num_heads: int = 3
    """Attention heads per block; width / num_heads channels each, an even number."""
    num_trunk_blocks: int = 11
    """Blocks of the trunk, which drafts; `reach` says what they look at. With none, and reading
    order, the tail is a plain autoregressive transformer."""
    num_tail_blocks: int = 1
    """Causal blocks: they verify. With none, the network is a plain masked diffusion model."""
    mlp_ratio: float = 4.0
    """Hidden width of each MLP over the width of the network."""
    activation: Activation = "relu2"
    """Of the MLPs; relu(x)^2 has the cheapest backward pass on CPU (docs/log.md)."""
    dropout: float = 0.0
    """Share of each block's contribution dropped while training."""
    output_residual: bool = True
    """Add the hidden state of the predicted position to the tail's output, so the target
    refines the draft and equals it at initialisation."""
    tail_inputs: TailInputs = "token+current+next"
    """What a track reads: its token; the hidden state at its own position; the one at the
    position it predicts."""
    tail_rotary: TailRotary = "crossed"
    """crossed: queries turn by the position they predict, keys by the position of the token
    they hold. halves: every other frequency by each, in queries and keys alike."""
    first_target: FirstTarget = "draft"
    """The target of the first masked token of a pass: the draft itself, which has the same
    information; or the tail's own, from a learned track when nothing is revealed; or, of a
    causal trunk, what its stream says of that token, which then is the draft as well."""
    heads: Heads = "tied"
    """Whether draft and target share their last norm and unembedding."""
    reach: Reach = "whole"
    """What tokens that are finished attend to. whole: everything, so that any order will do and
    each pass runs the whole sequence. causal: those before them in the order, so that a pass
    runs what is new and one window, and finished tokens have a law of their own (stream.py)."""
    max_window: int = 0
    """Of a causal trunk: the longest window it is trained to draft. With 0, and no tail, it is a
    plain autoregressive model."""
    fills_in: bool = False
    """Of a causal trunk: whether it is trained on orders that begin with what is given anywhere,
    as a template has it; if not, on reading order alone."""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "length", "width", "num_heads"):
            most = MOST_LENGTH if name == "length" else MOST
            self._check(1 <= getattr(self, name) <= most, name, f"must be from 1 to {most:,}")
        for name in ("num_trunk_blocks", "num_tail_blocks"):
            self._check(getattr(self, name) >= 0, name, "must be at least 0")
        self._check(
            self.num_blocks >= 1, "num_trunk_blocks", "must be at least 1 without tail blocks"
        )
        self._check(
            self.width % self.num_heads == 0 and (self.width // self.num_heads) % 4 == 0,
            "width",
            f"must give each of the {self.num_heads} heads a multiple of 4 channels",
        )
        self._check(
            1 / self.width <= self.mlp_ratio < math.inf,
            "mlp_ratio",
            "must give each MLP at least one hidden channel",
        )
        self._check(0 <= self.dropout < 1, "dropout", "must lie in [0, 1)")
        for name, choices in (
            ("activation", Activation),
            ("tail_inputs", TailInputs),
            ("tail_rotary", TailRotary),
            ("first_target", FirstTarget),
            ("heads", Heads),
            ("reach", Reach),
        ):
            options = get_args(choices)
            self._check(getattr(self, name) in options, name, f"must be one of {options}")
        self._check_reach()

    def _check_reach(self) -> None:
        """What only a causal trunk has, and what it needs."""
        if self.reach == "whole":
            self._check(self.max_window == 0, "max_window", "is of causal trunks: leave it at 0")
            self._check(not self.fills_in, "fills_in", "is of causal trunks: leave it out")
            self._check(
                self.first_target != "stream", "first_target", "'stream' needs a causal trunk"
            )
            return
        self._check(self.num_trunk_blocks >= 1, "num_trunk_blocks", "must be at least 1")
        self._check(
            0 <= self.max_window <= self.length, "max_window", "must be from 0 to the length"
        )
        self._check(
            self.max_window > 0 or not self.has_tail,
            "max_window",
            "must be at least 1 with a tail, which verifies windows",
        )
        self._check(
            self.tail_rotary == "crossed", "tail_rotary", "of a causal trunk must be 'crossed'"
        )
        self._check(
            self.tail_inputs == "token+current+next",
            "tail_inputs",
            "of a causal trunk must be 'token+current+next'",
        )
        self._check(
            self.first_target != "start-track",
            "first_target",
            "of a causal trunk must be 'draft' or 'stream'",
        )

    def _check(self, is_fine: bool, name: str, rule: str) -> None:
        if not is_fine:
            raise ConfigError(f"HybridConfig.{name} {rule}, got {getattr(self, name)!r}.")

    @property
    def block(self) -> BlockShape:
        """Of its blocks, in trunk and tail."""
        return BlockShape(
            width=self.width,
            hidden=int(self.width * self.mlp_ratio),
            num_heads=self.num_heads,
            num_key_heads=self.num_heads,
            activation=self.activation,
            dropout=self.dropout,
        )

    @property
    def mask_id(self) -> int:
        """The id of MASK: V."""
        return self.vocab_size

    @property
    def is_causal(self) -> bool:
        """Whether finished tokens attend backwards only, and have a law of their own."""
        return self.reach == "causal"

    @property
    def has_tail(self) -> bool:
        """Whether the network verifies."""
        return self.num_tail_blocks > 0

    @property
    def num_blocks(self) -> int:
        """Blocks in all; one NFE is one pass through this many."""
        return self.num_trunk_blocks + self.num_tail_blocks

    def nfe(self, trunk_passes: float, tail_passes: float) -> float:
        """Network function evaluations: block passes over the blocks of the whole network."""
        blocks = self.num_trunk_blocks * trunk_passes + self.num_tail_blocks * tail_passes
        return blocks / self.num_blocks

    def work(self, query_tokens: float, tail_tokens: float, length: int) -> float:
        """NFE where passes run what is new: tokens through blocks, over those of a whole pass.

        The keys and values that the tail keeps of a finished token are counted as a token of it.
        """
        tail = self.num_tail_blocks * (tail_tokens + length)
        return (self.num_trunk_blocks * query_tokens + tail) / (self.num_blocks * length)

    def critical_path(self, trunk_passes: float, tail_passes: float) -> float:
        """Blocks that wait for one another: each pass of trunk or tail after the one before."""
        return self.num_trunk_blocks * trunk_passes + self.num_tail_blocks * tail_passes

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for config.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> "HybridConfig":
        """The config written by `to_json`; raises `ConfigError` if it is not one."""
        if not isinstance(values, dict):
            raise ConfigError(f"the network's config must be a section, got {values!r:.60}.")
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ConfigError(
                f"the network's config has unknown fields {unknown}; it was probably written by "
                "a newer version of unmask. Upgrade with `pip install -U unmask`."
            )
        for field in fields(cls):
            value, kind = values.get(field.name, field.default), type(field.default)
            if type(value) is not kind and not (type(value) is int and kind is float):
                raise ConfigError(
                    f"HybridConfig.{field.name} must be of type {kind.__name__}, got {value!r}."
                )
        return cls(**values)
