"""Which setting of a sampler spends a given number of network passes per sample.

A family is a sampler with one knob x, over which its cost rises or falls all the way. Where the
number of passes follows from the setting alone it is a formula; where it depends on what is
generated it is measured on a few samples, as far as it takes to see that it is too much. Either
way the knob is found by bisection in log x, and what counts in a report is the cost measured
afterwards, not the budget asked for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import SeededDraws
from unmask.predictors.protocol import Predictor
from unmask.samplers.sampler import Sampler, sample
from unmask.samplers.streamed import along_stream
from unmask.shapes import Counts

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


_PILOT_SAMPLES, _PILOT_SEED = 8, 1 << 40
"""By which a cost without a formula is measured; the seeds are such that no report uses them."""
_FARTHEST, _TOO_DEAR = 1.5, 2.0


Nfe = Callable[[float, float], float]
"""What trunk passes and tail passes cost together, linear in both."""


def why_skipped(cost: float, budget: float) -> str:
    """Why a setting of such a cost does not stand for the budget; empty if it is near enough."""
    if 1 / _FARTHEST <= cost / budget <= _FARTHEST:
        return ""
    if math.isinf(cost):
        return f"every setting takes more than {_TOO_DEAR * budget:g} passes"
    return f"the nearest setting takes {cost:.1f} passes"


def knob_for(
    chosen: Family, predictor: Predictor, budget: float, *, given_ids: Tensor, nfe: Nfe
) -> tuple[float, float]:
    """The knob with which a sequence of which so much is given, [L], costs about the budget;
    what it costs."""
    passes, length = chosen.passes, int((given_ids == predictor.vocab_size).sum())
    if passes is None:
        return find_knob(
            chosen,
            budget,
            lambda knob: pilot_cost(
                predictor, chosen.make(knob), budget, given_ids=given_ids, nfe=nfe
            ),
            num_trials=7,
        )
    return find_knob(chosen, budget, lambda knob: nfe(*passes(knob, length)), num_trials=24)


def find_knob(
    chosen: Family, budget: float, cost_of: Callable[[float], float], *, num_trials: int
) -> tuple[float, float]:
    """The knob whose cost is nearest to the budget, by bisection in log x; that cost."""
    low, high = math.log(chosen.low), math.log(chosen.high)
    tried: dict[float, float] = {}
    for _ in range(num_trials):
        middle = math.exp((low + high) / 2)
        knob = float(round(middle)) if chosen.is_whole else middle
        if knob not in tried:
            tried[knob] = cost_of(knob)
        if (tried[knob] < budget) == chosen.is_rising:
            low = math.log(middle)
        else:
            high = math.log(middle)
    nearest = min(tried, key=lambda knob: (abs(math.log(tried[knob] / budget)), knob))
    return nearest, tried[nearest]


def pilot_cost(
    predictor: Predictor, sampler: Sampler, budget: float, *, given_ids: Tensor, nfe: Nfe
) -> float:
    """The mean cost of a few samples; infinite as soon as it is sure to be twice the budget."""
    spent = 0.0

    def note(state: Any, cost: Cost[Counts], rows: torch.Tensor) -> None:
        nonlocal spent
        spent += nfe(float(cost.trunk.passes.sum()), float(cost.tail.passes.sum()))
        if spent > _TOO_DEAR * budget * _PILOT_SAMPLES:
            raise _TooDear

    seeds = range(_PILOT_SEED, _PILOT_SEED + _PILOT_SAMPLES)
    every = given_ids.to(predictor.device).repeat(_PILOT_SAMPLES, 1)
    sampler = along_stream(sampler, predictor, every[0])
    try:
        sample(predictor, sampler, every, SeededDraws(seeds, predictor.device), note)
    except _TooDear:
        return math.inf
    return spent / _PILOT_SAMPLES


class _TooDear(Exception):
    """Ends a generation whose cost is known well enough."""
