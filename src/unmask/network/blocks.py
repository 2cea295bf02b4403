"""The transformer block of every network here, pre-norm: x + Attention(norm x), x + MLP(norm x).

    q, k, v = x W_q, x W_k, x W_v        keys and values of one head may serve several of queries
    Attention(x) = W_o softmax(R(q) R(k)^T / sqrt(c)) v        R: network/rotary.py
    MLP(x) = W_down act(W_up x),  or gated  W_down (act(W_gate x) * W_up x)

`BlockShape` (network/config.py) says which of these a network has. The hybrids have LayerNorm
without bias, one matrix for q, k and v, and no gate; LLaDA and Dream are Llama's: RMSNorm, three
matrices, a gated MLP; ESM-2 has biases everywhere, ESM-C norms of queries
and keys and a scale. The same block serves trunk and tail: in a tail queries and keys turn by
different positions, only some tokens ask, and keys and values of others come from a cache.

On CPU LayerNorm is fused and took 1.1 ms where rms_norm took 5.8 (8,192 x 192 in bf16, forward
and backward).

Sources: Vaswani et al. (2017), arXiv:1706.03762; Touvron et al. (2023), arXiv:2302.13971, for
Llama's; Nie et al. (2025), arXiv:2502.09992, for its use without a causal mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unmask.network.attention import attend
from unmask.network.cache import KeyValueStore, gather_rows
from unmask.network.config import BlockShape
from unmask.network.rotary import Rotation


@dataclass(frozen=True)
class Layout:
    """Who attends to whom in one pass through a block."""

    query_rotation: Rotation
    key_rotation: Rotation
    visible: Bool[Tensor, "*b #Q T"] | None = None
    """Which keys each query sees; None: all."""
    row_lengths: Sequence[int] = ()
    """Of packed sequences, which follow one another in a single row and see only themselves."""
    num_causal: int = 0
    """The first so many tokens see one another alone, each those before it and itself; `visible`
    is about the queries behind them."""
    num_silent: int = 0
    """The first so many tokens give their keys and values only: they do not ask."""

    def asking(
        self, x: Float[Tensor, "B T d"], store: KeyValueStore | None
    ) -> Float[Tensor, "B Q d"]:
        """Those of the tokens that ask: x itself where all do."""
        if self.num_silent:
            return x[:, self.num_silent :]
        if store is not None and store.query_columns is not None:
            return gather_rows(x, store.query_columns)
        return x


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


def norm(shape: BlockShape) -> nn.Module:
    """The norm before each part of a block, and behind the last."""
    if shape.norm == "rms":
        return RmsNorm(shape.width, shape.norm_eps)
    return nn.LayerNorm(shape.width, shape.norm_eps, bias=shape.has_norm_bias)


class Mlp(nn.Module):
    """down(activation(up(x))), or down(activation(gate(x)) * up(x))."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.activation = shape.activation
        bias = shape.has_bias
        self.gate = nn.Linear(shape.width, shape.hidden, bias=bias) if shape.is_gated else None
        self.up = nn.Linear(shape.width, shape.hidden, bias=bias)
        self.down = nn.Linear(shape.hidden, shape.width, bias=bias)

    def forward(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        if self.gate is None:
            hidden = self._active(self.up(x))
        else:
            hidden = self._active(self.gate(x)) * self.up(x)
        found: Float[Tensor, "*n d"] = self.down(hidden)
        return found

    def _active(self, hidden: Float[Tensor, "*n h"]) -> Float[Tensor, "*n h"]:
        if self.activation == "relu2":
            return F.relu(hidden).square()
        if self.activation == "silu":
            return F.silu(hidden)
        return F.gelu(hidden, approximate="tanh" if self.activation == "gelu" else "none")


class Attention(nn.Module):
    """Multi-head attention; queries may be fewer than keys, keys may come from a store."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.channels = shape.width // shape.num_heads
        key_width = shape.num_key_heads * self.channels
        self.widths = (shape.width, key_width, key_width)
        self.is_fused = shape.has_fused_qkv
        if self.is_fused:
            self.qkv = nn.Linear(shape.width, sum(self.widths), bias=False)
        else:
            self.q, self.k, self.v = (
                nn.Linear(shape.width, width, bias=shape.has_qkv_bias) for width in self.widths
            )
        self.out = nn.Linear(shape.width, shape.width, bias=shape.has_bias)
        self.normalises_queries = shape.normalises_queries
        if self.normalises_queries:
            self.q_norm = nn.LayerNorm(shape.width, bias=False)
            self.k_norm = nn.LayerNorm(key_width, bias=False)

    def forward(
        self, x: Float[Tensor, "B T d"], layout: Layout, store: KeyValueStore | None = None
    ) -> Float[Tensor, "B Q d"]:
        """Every token asks every visible one; with a store, some of x ask all that it holds."""
        query, key, value = self._projected(x, layout.asking(x, store))
        query, key = layout.query_rotation(query).transpose(1, 2), layout.key_rotation(key)
        if store is None:
            keys, values = key.transpose(1, 2), value.transpose(1, 2)
        else:
            keys, values = store.write(key, value)
        num_shared = query.shape[1] // keys.shape[1]
        if num_shared > 1:
            keys, values = (x.repeat_interleave(num_shared, dim=1) for x in (keys, values))
        found: Float[Tensor, "B Q d"] = self.out(
            _mixed(query, keys, values, layout).transpose(1, 2).flatten(-2)
        )
        return found

    def _projected(
        self, x: Float[Tensor, "B T d"], asking: Float[Tensor, "B Q d"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries of those that ask, keys and values of all; by head."""
        parts: tuple[Tensor, ...]
        if not self.is_fused:
            parts = self.q(asking), self.k(x), self.v(x)
        elif asking is x:
            parts = self.qkv(x).split(self.widths, dim=-1)
        else:
            query_weight, rest = self.qkv.weight.tensor_split([self.widths[0]])
            parts = F.linear(asking, query_weight), *F.linear(x, rest).chunk(2, dim=-1)
        if self.normalises_queries:
            query, key, value = parts
            parts = self.q_norm(query), self.k_norm(key), value
        query, key, value = (part.unflatten(-1, (-1, self.channels)) for part in parts)
        return query, key, value

    def remember(
        self, x: Float[Tensor, "B T d"], rotation: Rotation, store: KeyValueStore
    ) -> None:
        """Put the keys and values of x into the store, and ask nothing."""
        _, key, value = self._projected(x, x[:, :0])
        store.write(rotation(key), value)


def _mixed(query: Tensor, keys: Tensor, values: Tensor, layout: Layout) -> Tensor:
    """Values by attention, [B, H, Q, c]."""
    if layout.row_lengths:
        parts = (x.contiguous().split(layout.row_lengths, 2) for x in (query, keys, values))
        return torch.cat([attend(*row) for row in zip(*parts, strict=True)], dim=2)
    if not layout.num_causal:
        return attend(query, keys, values, layout.visible)
    n = layout.num_causal
    first, its_keys, its_values = query[:, :, :n], keys[:, :, :n], values[:, :, :n]
    mixed = F.scaled_dot_product_attention(first, its_keys, its_values, is_causal=True)
    if query.shape[2] > n:
        others = attend(query[:, :, n:], keys, values, layout.visible)
        mixed = torch.cat([mixed, others], dim=2)
    return mixed


class Block(nn.Module):
    """Attention and MLP, each behind a norm and added to the residual stream."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.attention_norm = norm(shape)
        self.attention = Attention(shape)
        self.mlp_norm = norm(shape)
        self.mlp = Mlp(shape)
        self.dropout = nn.Dropout(shape.dropout)
        self.residual_scale = shape.residual_scale

    def forward(
        self, x: Float[Tensor, "B T d"], layout: Layout, store: KeyValueStore | None = None
    ) -> Float[Tensor, "B Q d"]:
        """The tokens that ask, updated: all of x, or with a store its `query_columns`."""
        attended = self.attention(self.attention_norm(x), layout, store)
        x = layout.asking(x, store) + self._scaled(self.dropout(attended))
        found: Float[Tensor, "B Q d"] = x + self._scaled(self.dropout(self.mlp(self.mlp_norm(x))))
        return found

    def _scaled(self, added: Float[Tensor, "B Q d"]) -> Float[Tensor, "B Q d"]:
        return added if self.residual_scale == 1.0 else added / self.residual_scale

    def remember(
        self, x: Float[Tensor, "B T d"], rotation: Rotation, store: KeyValueStore
    ) -> None:
        """Put the keys and values of x into the store; nothing is updated."""
        self.attention.remember(self.attention_norm(x), rotation, store)


def entries_of(
    x: Float[Tensor, "B T d"], entries: Int[Tensor, " N"] | None
) -> Float[Tensor, "*n d"]:
    """The rows of x with these numbers, counted through the batch; None is all, as they are."""
    return x if entries is None else x.flatten(0, 1)[entries]


def init_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Uniform of variance 1/fan_in, but zero where a block writes to the residual stream.

    So a new block is the identity, and learns at the pace of its last projections.
    """
    for name, parameter in module.named_parameters():
        if name.endswith(("out.weight", "down.weight")):
            nn.init.zeros_(parameter)
        elif parameter.ndim == 2:
            bound = (3.0 / parameter.shape[1]) ** 0.5
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
        else:
            nn.init.ones_(parameter)
