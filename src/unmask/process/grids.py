"""Time grids: where between t = 1 and t = 0 a sampler of T steps stops.

    linear        t_n = 1 - n/T
    cosine        t_n = cos(pi/2 n/T)  =  sin(pi/2 (1 - n/T))
    polynomial    t_n = 1 - (n/T)^e

On the linear noise schedule t is the expected share of masked tokens, so the cosine grid, and
the polynomial one with e > 1, reveal few tokens in the first steps and many in the last.

Sources: cosine grid, Shi et al. (2024), arXiv:2406.04329; all three as shares of
masked tokens, Chang et al. (2022), arXiv:2202.04200, section 3.3.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.errors import ConfigError
from unmask.named import Named


@runtime_checkable
class Grid(Protocol):
    """A rule that divides the time from 1 to 0 into steps."""

    def times(self, num_steps: int) -> Float[Tensor, " {num_steps}+1"]:
        """float64 times, falling, the first exactly 1 and the last exactly 0."""
        ...


@dataclass(frozen=True)
class Linear(Named):
    """t_n = 1 - n/T: equal steps."""

    name = "linear"

    def times(self, num_steps: int) -> Float[Tensor, " {num_steps}+1"]:
        return 1 - _share_done(num_steps)


@dataclass(frozen=True)
class Cosine(Named):
    """t_n = cos(pi/2 n/T): short steps first."""

    name = "cosine"

    def times(self, num_steps: int) -> Float[Tensor, " {num_steps}+1"]:
        # The sine of the complement, since cos(pi/2) is not 0 in floating point.
        return torch.sin(math.pi / 2 * (1 - _share_done(num_steps)))


@dataclass(frozen=True)
class Polynomial(Named):
    """t_n = 1 - (n/T)^exponent: short steps first if the exponent is above 1."""

    name = "polynomial"
    exponent: float = 2.0
    """1 is the linear grid, 2 close to the cosine grid."""

    def __post_init__(self) -> None:
        if not 0 < self.exponent < math.inf:
            raise ConfigError(
                f"Polynomial.exponent must be a number above 0, got {self.exponent}: time must "
                "fall from 1 to 0. Use 1 for equal steps."
            )

    def times(self, num_steps: int) -> Float[Tensor, " {num_steps}+1"]:
        return 1 - _share_done(num_steps) ** self.exponent


GRIDS: dict[str, type[Grid]] = {rule.name: rule for rule in (Linear, Cosine, Polynomial)}
"""The grids by the name they have on the command line."""


def _share_done(num_steps: int) -> Float[Tensor, " {num_steps}+1"]:
    """n/T for n = 0..T."""
    if num_steps < 1:
        raise ConfigError(
            f"num_steps must be at least 1, got {num_steps}: no token is revealed without a step. "
            "More steps give better samples and take longer; start with 64."
        )
    return torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
