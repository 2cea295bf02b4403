"""What is measured of samples: named numbers, each with its standard error.

A quality is of a domain: texts, proteins, molecules. One of its measures is the main one, by which
samplers are compared; it is a ratio of sums over samples (evaluation/ratio_of_sums.py), so that it
can be drawn anew sample by sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from unmask.evaluation.ratio_of_sums import Number, RatioOfSums


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
