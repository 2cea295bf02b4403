"""The network that decides which positions to reveal: one transformer block of small width.

Per position it reads the confidence c and whether the position is masked (m), for the sequence
the time t, the share still masked:

    u   = [m, m c, m logit(c) / 4]
    x   = W_in u
    y   = x + g_a(t) Attention(a_a(t) norm(x) + d_a(t))
    z   = y + g_m(t) MLP(a_m(t) norm(y) + d_m(t))
    b   = w . norm(z) + v . u + log(r / (1 - r))

Scales a, shifts d and gates g are adaptive layer norm: a small network of t, which starts at
a = g = 1, d = 0. With w = v = 0 at first, a new policy reveals each position with probability r.
Without v . u the confidence drowns: what the block writes to x grows until norm(z) tells little
of it, and the policy learns when to reveal but not where (docs/log.md).

Source: Jazbec et al. (2025), arXiv:2512.09106, without v; adaptive layer norm, Peebles and Xie
(2022), arXiv:2212.09748.
"""

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from unmask.draws import weight_generator
from unmask.errors import CheckpointError, ConfigError
from unmask.files.atomic import make_folder
from unmask.files.tensors import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    load_weights,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)
from unmask.network.blocks import Attention, Layout, Mlp, init_weights
from unmask.network.config import BlockShape, HybridConfig
from unmask.network.rotary import Rotary
from unmask.shapes import PAD

_FORMAT = "unmask-policy-1"
_NEAREST_TO_CERTAIN = 6e-6  # logits up to 12


@dataclass(frozen=True, kw_only=True)
class PolicyConfig:
    """Shape and start of a policy network."""

    length: int = 256
    """Longest sequence it reads."""
    width: int = 32
    """Width of the residual stream."""
    num_heads: int = 2
    """Attention heads; width / num_heads channels each, a multiple of 4."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over the width of the network."""
    initial_rate: float = 0.25
    """r: the probability with which a new policy reveals a position."""

    def __post_init__(self) -> None:
        if not 0 < self.initial_rate < 1:
            raise ConfigError(
                f"PolicyConfig.initial_rate must lie between 0 and 1, got {self.initial_rate}: "
                "it is the probability with which a new policy reveals a position."
            )
        self.block  # noqa: B018  checks the rest

    @property
    def block(self) -> BlockShape:
        """Of attention and MLP. Raises `ConfigError` if a size cannot be."""
        return HybridConfig(
            length=self.length,
            width=self.width,
            num_heads=self.num_heads,
            mlp_ratio=self.mlp_ratio,
            activation="silu",
        ).block


class PolicyNetwork(nn.Module):
    """An `UnmaskingPolicy` with weights. New weights are drawn from `seed` alone."""

    def __init__(self, config: PolicyConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.rotary = Rotary(config.length, width // config.num_heads)
        self.embedding = nn.Linear(3, width, bias=False)
        self.time = nn.Linear(1, width)
        self.adaptation = nn.Linear(width, 6 * width, bias=False)
        self.attention = Attention(config.block)
        self.mlp = Mlp(config.block)
        self.attention_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp_norm = nn.LayerNorm(width, elementwise_affine=False)
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width + 3, 1)
        init_weights(self, weight_generator(seed))
        for zero in (self.time.bias, self.adaptation.weight, self.head.weight):
            nn.init.zeros_(zero)
        rate = config.initial_rate
        nn.init.constant_(self.head.bias, math.log(rate / (1 - rate)))

    def forward(
        self,
        confidence: Float[Tensor, "B L"],
        is_masked: Bool[Tensor, "B L"],
        time: Float[Tensor, " B"],
    ) -> Float[Tensor, "B L"]:
        """b by position, in the type of the weights."""
        length = confidence.shape[1]
        if length > self.config.length:
            raise ConfigError(
                f"the policy reads sequences of up to {self.config.length} tokens, got {length}. "
                "Train one for longer sequences: `unmask train-policy`."
            )
        dtype = self.head.weight.dtype
        is_real = confidence != PAD
        visible = None if is_real.all() else is_real[:, None, None, :]
        confidence = confidence.to(dtype)
        logit = confidence.logit(eps=_NEAREST_TO_CERTAIN) / 4
        masked = is_masked.to(dtype)
        inputs = torch.stack([masked, masked * confidence, masked * logit], dim=-1)
        x = self.embedding(inputs)

        positions = torch.arange(length, device=x.device)
        rotation = self.rotary.by(positions)
        adapted = self.adaptation(F.silu(self.time(time.to(dtype)[:, None, None])))
        scale_a, shift_a, gate_a, scale_m, shift_m, gate_m = adapted.chunk(6, dim=-1)
        attended = (1 + scale_a) * self.attention_norm(x) + shift_a
        x = x + (1 + gate_a) * self.attention(attended, Layout(rotation, rotation, visible))
        x = x + (1 + gate_m) * self.mlp((1 + scale_m) * self.mlp_norm(x) + shift_m)
        found: Float[Tensor, "B L"] = self.head(torch.cat([self.norm(x), inputs], dim=-1)).squeeze(
            -1
        )
        return found


def write_policy(folder: Path, policy: PolicyNetwork) -> None:
    """A policy folder: config.json and model.safetensors."""
    make_folder(folder)
    write_tensors(folder / WEIGHTS_FILE, policy.state_dict())
    values: dict[str, Any] = {"format": _FORMAT, "policy": asdict(policy.config)}
    write_json(folder / CONFIG_FILE, values)


def read_policy(folder: Path) -> PolicyNetwork:
    """The policy of a folder, its weights in float32.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights do not fit the config.
    """
    file = folder / CONFIG_FILE
    values = read_json(file)
    if values.get("format") != _FORMAT:
        raise CheckpointError(
            f"{file} is of format {values.get('format')!r}, a policy has {_FORMAT!r}. Name the "
            "folder that `unmask train-policy` wrote."
        )
    policy = PolicyNetwork(_config_of(values.get("policy"), file))
    weights = folder / WEIGHTS_FILE
    load_weights(policy, read_tensors(weights), weights)
    return policy.eval()


def _config_of(values: Any, file: Path) -> PolicyConfig:
    kinds = {field.name: type(field.default) for field in fields(PolicyConfig)}
    if not isinstance(values, dict) or {k: type(v) for k, v in values.items()} != kinds:
        raise CheckpointError(
            f"{file} does not hold the config of a policy under 'policy'. Fetch or write it again."
        )
    try:
        return PolicyConfig(**values)
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}") from error
