"""Muon with the matrices of one shape turned at once: the same steps, in fewer kernels.

    B <- B + (1 - m) (G - B);   W <- W - lr sqrt(max(1, rows/columns)) NS(G + m (B - G))

NS brings all singular values near one by five steps X <- a X + (b X X' + c (X X')^2) X. torch's
own takes one matrix after the other, which a GPU that trains a small network waits for.

Source: Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks".
"""

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class StackedMuon(torch.optim.Muon):
    """`torch.optim.Muon` in its original form; takes and remembers the same things."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of every matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights: list[Tensor] = []
            grads: list[Tensor] = []
            momenta: list[Tensor] = []
            self._init_group(group, weights, grads, momenta)
            if weights:
                _turn(group, weights, grads, momenta)
        return loss


def _turn(
    group: dict[str, Any], weights: list[Tensor], grads: list[Tensor], momenta: list[Tensor]
) -> None:
    torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
    wanted = torch._foreach_lerp(grads, momenta, group["momentum"])
    torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
    of_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for number, weight in enumerate(weights):
        of_shape[tuple(sorted(weight.shape))].append(number)
    for numbers in of_shape.values():
        is_tall = [weights[n].shape[0] > weights[n].shape[1] for n in numbers]
        wide = [
            wanted[n].T if tall else wanted[n] for n, tall in zip(numbers, is_tall, strict=True)
        ]
        turned = _orthogonalised(torch.stack(wide), group)
        for number, tall, update in zip(numbers, is_tall, turned.unbind(), strict=True):
            rows, columns = weights[number].shape
            size = group["lr"] * math.sqrt(max(1.0, rows / columns))
            weights[number].add_(update.T if tall else update, alpha=-size)


def _orthogonalised(
    stack: Float[Tensor, "N r c"], group: dict[str, Any]
) -> Float[Tensor, "N r c"]:
    """Each of the matrices, r <= c, with its singular values near one; in bf16."""
    first, second, third = group["ns_coefficients"]
    x = stack.bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.mT
        update = torch.baddbmm(gram, gram, gram, beta=second, alpha=third)
        x = torch.baddbmm(x, update, x, beta=first)
    return x
