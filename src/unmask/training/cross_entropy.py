"""Cross-entropy of logits in two sweeps over them, for a CPU.

    nats_n = log sum_v exp z_nv  -  z_n,wanted            d nats_n / d z_nv = p_nv - [v = wanted]

torch converts logits of a lower precision as a whole, keeps the log-probabilities of all of them
for the way back, and converts again. Here rows are taken a few at a time, so that they stay in
the cache, the gradient is made at once, and it is kept in the type of the logits. With 4,096
tokens that is a quarter of a training step (docs/performance.md).
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

_AT_ONCE = 2**18
"""Logits that are looked at together: a megabyte in float32."""


def cross_entropy(
    logits: Float[Tensor, "N V"], token_ids: Int[Tensor, " N"]
) -> Float[Tensor, " N"]:
    """Nats of each token, computed in float32 at least."""
    if logits.device.type == "cpu" and logits.dtype == torch.bfloat16:
        found: Float[Tensor, " N"] = _InRows.apply(logits, token_ids)  # type: ignore[no-untyped-call]
        return found
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(exact, token_ids, reduction="none")


class _InRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, token_ids: Tensor) -> Tensor:
        nats = torch.empty(len(logits), dtype=torch.float32)
        slope = torch.empty_like(logits) if ctx.needs_input_grad[0] else None
        num_rows = max(1, _AT_ONCE // max(1, logits.shape[1]))
        for start in range(0, len(logits), num_rows):
            rows = slice(start, start + num_rows)
            exact, wanted = logits[rows].float(), token_ids[rows, None]
            of_all = exact.logsumexp(dim=1, keepdim=True)
            nats[rows] = (of_all - exact.gather(1, wanted)).squeeze(1)
            if slope is not None:
                exact.sub_(of_all).exp_()
                exact.scatter_add_(1, wanted, torch.full_like(of_all, -1.0))
                slope[rows] = exact
        ctx.save_for_backward(slope)
        return nats

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None]:
        (slope,) = ctx.saved_tensors
        return slope * gradients[0][:, None].to(slope.dtype), None
