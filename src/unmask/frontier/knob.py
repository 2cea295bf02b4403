"""Which setting of a sampler spends a given number of network passes per sample.

A family is a sampler with one knob x, over which its cost rises or falls all the way. Where the
number of passes follows from the setting alone it is a formula; where it depends on what is
generated it is measured on a few samples. Either way the knob is found by bisection in log x,
and what counts in a report is the cost measured afterwards, not the budget asked for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from unmask.samplers.sampler import Sampler

Passes = tuple[float, float]
"""Trunk passes and tail passes of one sample."""


@dataclass(frozen=True)
class Family:
    """A sampler with one knob."""

    make: Callable[[float], Sampler]
    low: float
    high: float
    is_rising: bool = False
    """Whether turning the knob up takes more passes, rather than fewer."""
    is_whole: bool = False
    """Whether the knob is a whole number."""
    passes: Callable[[float, int], Passes] | None = None
    """Of one sample, by knob and length, where they do not depend on what is generated."""
    weights: str = ""
    """A fingerprint of the part that was trained for it, where it needs one."""


PILOT_SAMPLES, PILOT_SEED = 8, 1 << 40
"""By which a cost without a formula is measured; the seeds are such that no report uses them."""
_FARTHEST = 1.5


def is_near(cost: float, budget: float) -> bool:
    """Whether a cost is off its budget by no more than the factor at which a point is skipped."""
    return 1 / _FARTHEST <= cost / budget <= _FARTHEST


def find_knob(
    chosen: Family, budget: float, nfe_of: Callable[[float], float], *, num_trials: int
) -> tuple[float, float]:
    """The knob whose cost, `nfe_of`, is nearest to the budget, by bisection in log x; the cost."""
    low, high = math.log(chosen.low), math.log(chosen.high)
    tried: dict[float, float] = {}
    for _ in range(num_trials):
        middle = math.exp((low + high) / 2)
        knob = float(round(middle)) if chosen.is_whole else middle
        if knob not in tried:
            tried[knob] = nfe_of(knob)
        if (tried[knob] < budget) == chosen.is_rising:
            low = math.log(middle)
        else:
            high = math.log(middle)
    nearest = min(tried, key=lambda knob: (abs(math.log(tried[knob] / budget)), knob))
    return nearest, tried[nearest]
