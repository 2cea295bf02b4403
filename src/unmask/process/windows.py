"""How many tokens one non-causal pass may reveal.

A pass that starts with i of D tokens revealed may reveal up to W(i) more. A window of time
dtau on the cosine schedule, whose time at i is tau(i) = (2/pi) arccos((D - i) / D), gives

    W(i) = max(1, ceil(D [cos(pi tau(i) / 2) - cos(pi min(1, tau(i) + dtau) / 2)])),

on the linear schedule W(i) = max(1, ceil(D dtau)). The cosine window widens as i grows: the
more is revealed, the less the remaining tokens depend on one another. Never more than the
D - i tokens still masked; at i = D, where no pass starts, the size is 1.

Source: Campbell et al. (2025), arXiv:2510.03929; the closed form is ours and agrees with the
numbers of passes reported there.
"""

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.errors import ConfigError
from unmask.named import Named

Length: TypeAlias = int | Int[Tensor, "*n"]
"""D: one for all, or one for each of the numbers that are asked about."""


@runtime_checkable
class Window(Protocol):
    """A rule for the number of tokens one pass may reveal."""

    def size(self, num_revealed: Int[Tensor, "*n"], length: Length) -> Int[Tensor, "*n"]:
        """W(i) for each i in `num_revealed`: at least 1, at most the tokens still masked."""
        ...


def check_is_window(window: object) -> None:
    """Raise `ConfigError` unless it is a `Window`."""
    if isinstance(window, type) or not isinstance(window, Window):
        raise ConfigError(
            f"a window is one of {', '.join(WINDOWS)}, such as unmask.Cosine(0.2) or "
            f"unmask.Fixed(8); got {window!r:.40}."
        )


@dataclass(frozen=True)
class Cosine(Named):
    """Equal steps of time on the cosine schedule: narrow windows first, wide ones last."""

    name = "cosine"
    dtau: float = 0.02
    """Share of the schedule's time that one window spans, in (0, 1]."""

    def __post_init__(self) -> None:
        _check_dtau("Cosine", self.dtau)

    def size(self, num_revealed: Int[Tensor, "*n"], length: Length) -> Int[Tensor, "*n"]:
        num_masked = length - num_revealed
        angle = torch.arccos(num_masked.double() / length)  # pi tau / 2
        angle_after = (angle + math.pi / 2 * self.dtau).clamp(max=math.pi / 2)
        return _whole_tokens(num_masked - length * torch.cos(angle_after), num_masked)


@dataclass(frozen=True)
class Linear(Named):
    """Windows of one width, the given share of the sequence."""

    name = "linear"
    dtau: float = 0.02
    """Share of the sequence that one window spans, in (0, 1]."""

    def __post_init__(self) -> None:
        _check_dtau("Linear", self.dtau)

    def size(self, num_revealed: Int[Tensor, "*n"], length: Length) -> Int[Tensor, "*n"]:
        num_masked = length - num_revealed
        num_tokens = (num_masked + num_revealed).double() * self.dtau
        return _whole_tokens(num_tokens, num_masked)


@dataclass(frozen=True)
class Fixed(Named):
    """Windows of one width, in tokens. `Fixed(1)` reveals one token per pass."""

    name = "fixed"
    num_tokens: int
    """Width of the window, at least 1."""

    def __post_init__(self) -> None:
        if self.num_tokens < 1:
            raise ConfigError(
                f"Fixed.num_tokens must be at least 1, got {self.num_tokens}: a pass that reveals "
                "nothing would be repeated for ever. For one token per pass use `Fixed(1)`."
            )

    def size(self, num_revealed: Int[Tensor, "*n"], length: Length) -> Int[Tensor, "*n"]:
        return (length - num_revealed).clamp(min=1, max=self.num_tokens)


@dataclass(frozen=True)
class Whole(Named):
    """All that is still masked: only a rejection ends a pass early."""

    name = "whole"

    def size(self, num_revealed: Int[Tensor, "*n"], length: Length) -> Int[Tensor, "*n"]:
        return (length - num_revealed).clamp(min=1)


WINDOWS: dict[str, type[Window]] = {rule.name: rule for rule in (Cosine, Linear, Fixed, Whole)}
"""The windows by the name they have on the command line."""


def starts(window: Window, length: int) -> list[int]:
    """The i at which passes start if every window is revealed in full."""
    found, num_revealed = [], 0
    while num_revealed < length:
        found.append(num_revealed)
        num_revealed += int(window.size(torch.tensor(num_revealed), length))
    return found


def _check_dtau(owner: str, dtau: float) -> None:
    if not 0 < dtau <= 1:
        raise ConfigError(
            f"{owner}.dtau must be above 0 and at most 1, got {dtau}: it is the share of the "
            "schedule that one pass covers. 0.01 is careful, 0.083 quick; for all masked tokens "
            "in one window use `Whole()`, for one at a time `Fixed(1)`."
        )


def _whole_tokens(
    num_tokens: Float[Tensor, "*n"], num_masked: Int[Tensor, "*n"]
) -> Int[Tensor, "*n"]:
    # A whole number may come out of the cosines an ulp too high, differently on each device;
    # without the margin it would be rounded up to the next one.
    rounded_up = torch.ceil(num_tokens - 1e-9).to(num_masked.dtype)
    return rounded_up.minimum(num_masked).clamp(min=1)
