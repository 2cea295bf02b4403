"""Noise schedules: the probability that a token is unmasked at time t.

Time runs backwards while sampling, from t = 1 (all masked) to t = 0 (none masked), and

    alpha(t) = P(unmasked at t),   alpha(1) = 0,   alpha(0) = 1,   alpha'(t) <= 0.

    linear        alpha(t) = 1 - t
    polynomial    alpha(t) = 1 - t^e
    cosine        alpha(t) = 1 - cos(pi (1 - t) / 2)  =  1 - sin(pi t / 2)

A schedule is a law of the process; where on the time axis a sampler stops is a grid (`grids`).

Source: Shi et al. (2024), arXiv:2406.04329.
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
class Schedule(Protocol):
    """How fast tokens are masked as t goes from 0 to 1."""

    def alpha(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """P(unmasked at t)."""
        ...

    def alpha_rate(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """The derivative of alpha by t."""
        ...


@dataclass(frozen=True)
class Linear(Named):
    """alpha(t) = 1 - t."""

    name = "linear"

    def alpha(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return 1 - t

    def alpha_rate(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return torch.full_like(t, -1.0)


@dataclass(frozen=True)
class Polynomial(Named):
    """alpha(t) = 1 - t^exponent."""

    name = "polynomial"
    exponent: float = 1.0
    """Above 1, tokens stay unmasked longer as t grows; 1 is the linear schedule."""

    def __post_init__(self) -> None:
        if not 0 < self.exponent < math.inf:
            raise ConfigError(
                f"Polynomial.exponent must be a number above 0, got {self.exponent}: alpha must "
                "fall from 1 to 0. Use 1 for the linear schedule."
            )

    def alpha(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return 1 - t**self.exponent

    def alpha_rate(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return -self.exponent * t ** (self.exponent - 1)


@dataclass(frozen=True)
class Cosine(Named):
    """alpha(t) = 1 - sin(pi t / 2)."""

    name = "cosine"

    # The sine, not the cosine of the complement: it is exact at both ends.
    def alpha(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return 1 - torch.sin(math.pi / 2 * t)

    def alpha_rate(self, t: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        return -math.pi / 2 * torch.cos(math.pi / 2 * t)


SCHEDULES: dict[str, type[Schedule]] = {rule.name: rule for rule in (Linear, Polynomial, Cosine)}
"""The schedules by the name they have on the command line."""
