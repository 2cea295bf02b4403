"""Ratios of sums over samples, with their standard errors.

    R = sum_i a_i / sum_i b_i,
    variance of R  ~  n / (n - 1)  sum_i (a_i - R b_i)^2 / (sum_i b_i)^2

(known words over words, bits over tokens): samples are independent, what is within one is not.

Source: Cochran (1977), "Sampling techniques", section 6.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A number with its standard error; not a number where there is nothing to count."""

    value: float
    standard_error: float

    def to_json(self) -> dict[str, float]:
        """As reports have it."""
        return {"value": self.value, "standard_error": self.standard_error}


@dataclass(frozen=True)
class RatioOfSums:
    """R above, of samples that can be drawn anew. Add those of batches; divide once."""

    numerator: tuple[float, ...]
    denominator: tuple[float, ...]

    def __add__(self, other: "RatioOfSums") -> "RatioOfSums":
        return RatioOfSums(self.numerator + other.numerator, self.denominator + other.denominator)

    @property
    def value(self) -> float:
        """R; not a number if there is nothing below the line."""
        below = math.fsum(self.denominator)
        return math.fsum(self.numerator) / below if below else math.nan

    @property
    def standard_error(self) -> float:
        """The root of the variance; not a number for fewer than two samples."""
        num, value, below = len(self.numerator), self.value, math.fsum(self.denominator)
        if num < 2 or not below:
            return math.nan
        pairs = zip(self.numerator, self.denominator, strict=True)
        squares = math.fsum((top - value * bottom) ** 2 for top, bottom in pairs)
        return math.sqrt(num / (num - 1) * squares) / below

    @property
    def number(self) -> Number:
        """Both."""
        return Number(self.value, self.standard_error)


def mean_of(values: Sequence[float]) -> Number:
    """The mean of independent numbers."""
    return RatioOfSums(tuple(values), (1.0,) * len(values)).number
