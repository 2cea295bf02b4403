"""softmax(Q K^T / sqrt(c)) V, by the fastest way for the processor and type.

In bf16 on a CPU without AMX (AMD, Intel before Sapphire Rapids) the three explicit steps take less
than half the time of the fused kernel, at any length; on one with AMX the fused kernel is the
faster one, by more than half, and the more exact (docs/performance.md). The table of scores is
made a part at a time, so that it stays small. Where gradients are wanted all of it has to be
kept, and for long rows the fused kernel is the better choice. In float32 the fused kernel is
faster, too.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def explicit_dtypes(capabilities: Mapping[str, Any]) -> frozenset[torch.dtype]:
    """In which types the explicit steps are the faster ones, on a processor that can do this.

    `capabilities` are those of `torch.cpu.get_capabilities`. A processor of which nothing is
    known, as with a torch that has no such function, is taken for one without AMX.
    """
    return frozenset() if capabilities.get("amx_bf16", False) else frozenset({torch.bfloat16})


# Asked once, and not while passes are compiled.
_EXPLICIT_DTYPES = explicit_dtypes(getattr(torch.cpu, "get_capabilities", dict)())
_MOST_SCORES = 2**25  # 64 MiB in bf16


def attend(
    query: Float[Tensor, "B H Q c"],
    key: Float[Tensor, "B H T c"],
    value: Float[Tensor, "B H T c"],
    visible: Bool[Tensor, "*b #Q T"] | None = None,
) -> Float[Tensor, "B H Q c"]:
    """Attention of Q queries over T keys; `visible` None means every key for every query.

    `visible` broadcasts: [Q, T], [B, 1, Q, T], or [B, 1, 1, T] where all queries see the same.
    """
    if query.device.type != "cpu" or query.dtype not in _EXPLICIT_DTYPES:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    num_scores = query.shape[2] * key.shape[2]
    num_at_once = _MOST_SCORES // num_scores  # of heads
    if torch.is_grad_enabled() and num_at_once < query.shape[0] * query.shape[1]:
        num_at_once = 0
    if not num_at_once:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    return _in_parts(query, key, value, visible, num_at_once)


def _in_parts(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None, num_at_once: int
) -> Tensor:
    """Explicit attention of so many heads at once, and as many sequences as that allows."""
    num_rows, num_heads = query.shape[:2]
    if num_rows * num_heads <= num_at_once:
        return _explicit(query, key, value, visible)
    dim = 0 if num_rows > 1 else 1
    size = num_at_once if dim else max(1, num_at_once // num_heads)
    queries, keys, values = (x.split(size, dim) for x in (query, key, value))
    masks: list[Tensor | None] = [visible] * len(queries)
    if visible is not None and visible.ndim == 4 and visible.shape[dim] > 1:
        masks = list(visible.split(size, dim))
    parts = zip(queries, keys, values, masks, strict=True)
    return torch.cat([_in_parts(q, k, v, mask, num_at_once) for q, k, v, mask in parts], dim=dim)


def _explicit(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)
    return torch.softmax(scores, dim=-1, dtype=scores.dtype) @ value
