"""What is measured of samples: named numbers, each with its standard error.

A quality is of a domain: texts, proteins, molecules. One of its measures is the main one, by which
samplers are compared; it is a ratio of sums over samples,

    R = sum_i a_i / sum_i b_i,
    variance of R  ~  n / (n - 1)  sum_i (a_i - R b_i)^2 / (sum_i b_i)^2

(known words over words, bits over tokens), so that it can be drawn anew sample by sample.

The variance: Cochran (1977), "Sampling techniques", section 6.3.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


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


@dataclass(frozen=True)
class Measure:
    """How one of the numbers is called and shown."""

    name: str
    title: str
    """Over a column."""
    label: str
    """Along an axis, and in sentences."""
    digits: int = 3
    is_better: int = 1
    """1: more is better; -1: less is; 0: what is nearest to real data."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, by which pictures can be drawn again."""
        return vars(self)


@dataclass(frozen=True)
class Samples:
    """What was generated, or real data beside it."""

    texts: Sequence[str]
    judged: RatioOfSums | None = None
    """Bits under a judge over what they are bits of, where there is one."""


@runtime_checkable
class Quality(Protocol):
    """The measures of a domain."""

    @property
    def main(self) -> Measure:
        """That by which samplers are compared."""
        ...

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Those that are shown, the main one first."""
        ...

    def numbers(self, samples: Samples) -> dict[str, Number]:
        """All of them, and others that are not shown, by name."""
        ...

    def of_each(self, samples: Samples) -> RatioOfSums:
        """The main one, sample by sample."""
        ...


JUDGED = "judge_bits"
"""The name of the measure below."""


def judged_by(unit: str) -> Measure:
    """Bits under a judge that counts them by this: token, byte."""
    return Measure(JUDGED, "judge, bits", f"bits per {unit} under the judge", 3, is_better=-1)
