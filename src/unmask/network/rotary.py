"""Rotary position embedding: channel pairs turn by an angle proportional to a position.

With frequencies f_j = base^(-2j/c) for a head of c channels, the pair (x_j, x_(j + c/2)) at
position t turns by t f_j, so the product of a query at s and a key at t depends on s - t.

Source: Su et al. (2021), arXiv:2104.09864.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Rotation:
    """The cosine and signed sine of each channel's angle, shaped to multiply [B, T, H, c]."""

    cos: Float[Tensor, "*b T 1 c"]
    sin: Float[Tensor, "*b T 1 c"]
    is_exact: bool = False
    """Whether to turn in float32 at least, whatever the type of x."""

    def to(self, dtype: torch.dtype) -> "Rotation":
        """The same in another type."""
        return Rotation(self.cos.to(dtype), self.sin.to(dtype))

    def __call__(self, x: Float[Tensor, "B T H c"]) -> Float[Tensor, "B T H c"]:
        """x with every pair turned; in the type of x."""
        if self.is_exact:
            exact = x.to(torch.promote_types(x.dtype, torch.float32))
            return Rotation(self.cos, self.sin)(exact).to(x.dtype)
        turned = x.roll(x.shape[-1] // 2, dims=-1)
        return x * self.cos.to(x.dtype) + turned * self.sin.to(x.dtype)


class Rotary(nn.Module):
    """Tables of cosines and sines for positions 0..length-1."""

    def __init__(self, length: int, channels: int, base: float = 10_000.0) -> None:
        super().__init__()
        frequency = base ** (-torch.arange(0, channels, 2, dtype=torch.float64) / channels)
        angle = torch.outer(torch.arange(length, dtype=torch.float64), frequency)
        cos, sin = angle.cos().float(), angle.sin().float()
        self.register_buffer("cos", torch.cat([cos, cos], -1), persistent=False)
        self.register_buffer("sin", torch.cat([-sin, sin], -1), persistent=False)
        # `halves` gives every other frequency to each of two positions.
        is_odd = torch.arange(channels // 2) % 2 == 1
        self.register_buffer("is_odd", torch.cat([is_odd, is_odd]), persistent=False)

    cos: Tensor
    sin: Tensor
    is_odd: Tensor

    def by(self, positions: Int[Tensor, "*b T"]) -> Rotation:
        """Every channel turned by one position."""
        return Rotation(self.cos[positions][..., None, :], self.sin[positions][..., None, :])

    def by_halves(self, even: Int[Tensor, "*b T"], odd: Int[Tensor, "*b T"]) -> Rotation:
        """Every other frequency turned by each of two positions."""
        cos = torch.where(self.is_odd, self.cos[odd], self.cos[even])
        sin = torch.where(self.is_odd, self.sin[odd], self.sin[even])
        return Rotation(cos[..., None, :], sin[..., None, :])
