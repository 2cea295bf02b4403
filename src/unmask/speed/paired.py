"""Timings that can be compared: functions in turns, after a warm-up, medians of what they took.

A machine that others use changes its speed from minute to minute. What is run in turns meets the
same minutes, so ratios hold where seconds do not.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """What one function took, round by round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def over(self, other: "Timing") -> float:
        """The median of the ratios to another function, round by round."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return statistics.median(own / others for own, others in pairs)


def in_turns(
    functions: Sequence[Callable[[], float | None]],
    *,
    rounds: int,
    observe: Callable[[], None] = lambda: None,
) -> list[Timing]:
    """Each function `rounds` times, in turns, after one call of each that does not count.

    A function that measures itself returns its seconds; otherwise the clock is stopped here.
    """
    seconds: list[list[float]] = [[] for _ in functions]
    for number in range(rounds + 1):
        for column, function in zip(seconds, functions, strict=True):
            start = time.perf_counter()
            own = function()
            elapsed = time.perf_counter() - start if own is None else own
            if number:
                column.append(elapsed)
            observe()
    return [Timing(tuple(column)) for column in seconds]
