"""One block of LLaDA and Dream: Llama's, attending in both directions.

    x += W_o Attention(R_t(W_q n), R_t(W_k n), W_v n),  n = norm(x)
    x += W_down (silu(W_gate n) * W_up n),              n = norm(x)

R_t turns by the position t (network/rotary.py), norm is x / rms(x) times a weight; both are
worked out in float32 at least. Keys and values of tokens that do not pass may be given.

Sources: Touvron et al. (2023), arXiv:2302.13971, for the blocks; Nie et al. (2025),
arXiv:2502.09992, for their use without a causal mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unmask.dllm.config import DllmConfig
from unmask.network.attention import attend
from unmask.network.rotary import Rotation


@dataclass(frozen=True)
class Remembered:
    """Keys and values of whole sequences, in a block, and where the tokens of a pass stand."""

    keys_values: Float[Tensor, "B L 2 G c"]
    """Keys are turned already."""
    slots: Int[Tensor, "B T"]
    """L for tokens that are not there."""


@dataclass(frozen=True)
class Surroundings:
    """Where the tokens of a pass stand, and what they attend to."""

    rotation: Rotation
    visible: Bool[Tensor, "*b #T N"] | None = None
    """Which keys each token sees; None: all."""
    row_lengths: Sequence[int] = ()
    """Of sequences packed into one row one after the other, which see only themselves."""


class RmsNorm(nn.Module):
    """x / sqrt(mean x^2 + eps) in float32 at least, then times a weight."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        scale = torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.eps)
        return (exact * scale).to(x.dtype) * self.weight


class Attention(nn.Module):
    """Attention of the tokens of a pass over themselves, or over whole remembered sequences."""

    def __init__(self, config: DllmConfig) -> None:
        super().__init__()
        self.channels = config.width // config.num_heads
        key_width = config.num_key_heads * self.channels
        bias = config.has_qkv_bias
        self.q = nn.Linear(config.width, config.width, bias=bias)
        self.k = nn.Linear(config.width, key_width, bias=bias)
        self.v = nn.Linear(config.width, key_width, bias=bias)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T d"],
        around: Surroundings,
        remembered: Remembered | None = None,
    ) -> tuple[Float[Tensor, "B T d"], Float[Tensor, "B N 2 G c"]]:
        """The update of each token; keys and values of all that could be attended to."""
        query, key, value = (
            part(x).unflatten(-1, (-1, self.channels)) for part in (self.q, self.k, self.v)
        )
        query = _turned(around.rotation, query).transpose(1, 2)
        keys_values = torch.stack([_turned(around.rotation, key), value], dim=2)
        if remembered is not None:
            keys_values = write_rows(remembered.keys_values, remembered.slots, keys_values)
        keys, values = (part.transpose(1, 2) for part in keys_values.unbind(2))
        num_shared = query.shape[1] // keys.shape[1]
        if num_shared > 1:
            keys, values = (x.repeat_interleave(num_shared, dim=1) for x in (keys, values))
        if around.row_lengths:
            parts = (x.contiguous().split(around.row_lengths, 2) for x in (query, keys, values))
            mixed = torch.cat([attend(*row) for row in zip(*parts, strict=True)], dim=2)
        else:
            mixed = attend(query, keys, values, around.visible)
        return self.out(mixed.transpose(1, 2).flatten(-2)), keys_values


def write_rows(
    rows: Float[Tensor, "B L *n"], slots: Int[Tensor, "B T"], values: Float[Tensor, "B T *n"]
) -> Float[Tensor, "B L *n"]:
    """A copy of `rows` with values[b, t] at slots[b, t]; slot L is nowhere."""
    length = rows.shape[1]
    wider = torch.cat([rows, rows[:, :1]], dim=1)
    batch = torch.arange(len(rows), device=rows.device)[:, None]
    wider[batch, slots] = values.to(rows.dtype)
    return wider[:, :length]


def _turned(rotation: Rotation, x: Float[Tensor, "B T H c"]) -> Float[Tensor, "B T H c"]:
    return rotation(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)


class Mlp(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, config: DllmConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.width, config.hidden, bias=False)
        self.up = nn.Linear(config.width, config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        found: Float[Tensor, "*n d"] = self.down(F.silu(self.gate(x)) * self.up(x))
        return found


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the residual stream."""

    def __init__(self, config: DllmConfig) -> None:
        super().__init__()
        self.attention_norm = RmsNorm(config.width, config.norm_eps)
        self.attention = Attention(config)
        self.mlp_norm = RmsNorm(config.width, config.norm_eps)
        self.mlp = Mlp(config)

    def forward(
        self,
        x: Float[Tensor, "B T d"],
        around: Surroundings,
        remembered: Remembered | None = None,
    ) -> tuple[Float[Tensor, "B T d"], Float[Tensor, "B N 2 G c"]]:
        update, keys_values = self.attention(self.attention_norm(x), around, remembered)
        x = x + update
        return x + self.mlp(self.mlp_norm(x)), keys_values
