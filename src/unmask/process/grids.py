"""Time grids: where between t = 1 and t = 0 a sampler of T steps stops.

    linear        t_n = 1 - n/T
    cosine        t_n = cos(pi/2 n/T)  =  sin(pi/2 (1 - n/T))
    polynomial    t_n = 1 - (n/T)^e
    dream         t_n = 1 - (1 - eps) n/T,  but t_T = 0

On the linear noise schedule t is the expected share of masked tokens, so the cosine grid, and
the polynomial one with e > 1, reveal few tokens in the first steps and many in the last.

Sources: cosine grid, Shi et al. (2024), arXiv:2406.04329; all three as shares of
masked tokens, Chang et al. (2022), arXiv:2202.04200, section 3.3. Dream's is that of its code, Ye
et al. (2025), arXiv:2508.15487: there each step reveals floor(m (1 - t_n+1 / t_n)) of the m tokens
that are masked by then, none perhaps, and the last what is left (`leaves_by_ratio`).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

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


@dataclass(frozen=True)
class DreamGrid(Named):
    """t_n = 1 - (1 - eps) n/T, and 0 at the end: the grid of Dream's code, with its quota."""

    name = "dream"
    leaves_by_ratio: ClassVar[bool] = True
    eps: float = 1e-3
    """Where time would end, above 0 and below 1."""

    def __post_init__(self) -> None:
        if not 0 < self.eps < 1:
            raise ConfigError(
                f"DreamGrid.eps must lie between 0 and 1, got {self.eps}. 0.001 is the source's."
            )

    def times(self, num_steps: int) -> Float[Tensor, " {num_steps}+1"]:
        # In float32, as there: whole numbers are rounded down from these.
        times = torch.linspace(1, self.eps, len(_share_done(num_steps))).double()
        times[-1] = 0
        return times


GRIDS: dict[str, type[Grid]] = {
    rule.name: rule for rule in (Linear, Cosine, Polynomial, DreamGrid)
}
"""The grids by the name they have on the command line."""


def _share_done(num_steps: int) -> Float[Tensor, " {num_steps}+1"]:
    """n/T for n = 0..T."""
    if num_steps < 1:
        raise ConfigError(
            f"num_steps must be at least 1, got {num_steps}: no token is revealed without a step. "
            "More steps give better samples and take longer; start with 64."
        )
    return torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
