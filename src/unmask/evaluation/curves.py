"""Cost at equal quality: one sampler's curve read against another's, with an interval.

A point is a sampler at one budget: samples n with cost c_n and quality as a ratio of sums,

    C = mean of c_n,     R = sum_n a_n / sum_n b_n       (known words over words, say).

A curve is the points of one sampler by rising cost, made monotone: R_k becomes the largest of
R_1..R_k, since a budget that does worse than a smaller one need not be spent. The cost at which
a curve reaches quality R lies between two neighbouring points, log C linear in R. The headline is

    ratio at R  =  cost of the other at R / cost of ours at R.

Below the first point of our curve its cost is taken, which is more than is needed: the ratio is
then a lower bound. Beyond the last the quality is not reached, the cost is infinite, the ratio 0.
The other way round, the quality at a cost is read off the same line; beyond the last point it is
that point's.

Intervals are percentiles of a bootstrap that draws the samples of each point anew, with
replacement, and goes through all of the above with each draw.

Source: Efron & Tibshirani (1993), "An introduction to the bootstrap", sections 6 and 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.draws import SeededDraws


@dataclass(frozen=True)
class Point:
    """A sampler at one budget; an entry per sample."""

    cost: Float[Tensor, " n"]
    numerator: Float[Tensor, " n"]
    denominator: Float[Tensor, " n"]


@dataclass(frozen=True)
class Curve:
    """Costs and qualities of one sampler, in R draws of the bootstrap; rows by rising cost."""

    cost: Float[Tensor, "R P"]
    quality: Float[Tensor, "R P"]


@dataclass(frozen=True)
class Interval:
    """A value with the middle 95 % of its bootstrap distribution."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ratio:
    """The other sampler's cost over ours at one quality."""

    quality: float
    other_cost: float
    our_cost: float
    ratio: Interval
    is_lower_bound: bool
    """Our cheapest point is already better than this."""


def curve(points: Sequence[Point], num_draws: int, seed: int) -> Curve:
    """Row 0 is what was measured, the others are draws of the bootstrap."""
    columns = [_resampled(point, num_draws, seed, place) for place, point in enumerate(points)]
    cost, quality = (torch.stack(parts, dim=1) for parts in zip(*columns, strict=True))
    rising = cost.argsort(dim=1, stable=True)
    return Curve(cost.gather(1, rising), quality.gather(1, rising).cummax(dim=1).values)


def cost_at(curve: Curve, quality: Float[Tensor, " R"]) -> Float[Tensor, " R"]:
    """What it takes to reach a quality, draw by draw; infinite where it is not reached."""
    num_below = (curve.quality < quality[:, None]).sum(dim=1, keepdim=True)
    last = curve.cost.shape[1] - 1
    after, before = num_below.clamp(max=last), (num_below - 1).clamp(min=0)
    log_cost = curve.cost.log()
    low, high = curve.quality.gather(1, before), curve.quality.gather(1, after)
    share = ((quality[:, None] - low) / (high - low)).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    between = torch.lerp(log_cost.gather(1, before), log_cost.gather(1, after), share)
    is_out_of_reach = num_below > last
    return between.exp().masked_fill(is_out_of_reach, torch.inf).squeeze(1)


def quality_at(curve: Curve, cost: Float[Tensor, " R"]) -> Float[Tensor, " R"]:
    """What a cost buys, draw by draw; below the first point, which costs more, its quality."""
    num_below = (curve.cost < cost[:, None]).sum(dim=1, keepdim=True)
    last = curve.cost.shape[1] - 1
    after, before = num_below.clamp(max=last), (num_below - 1).clamp(min=0)
    log_cost = curve.cost.log()
    low, high = log_cost.gather(1, before), log_cost.gather(1, after)
    share = ((cost.log()[:, None] - low) / (high - low)).nan_to_num(0.0, 0.0, 0.0)
    return torch.lerp(
        curve.quality.gather(1, before), curve.quality.gather(1, after), share
    ).squeeze(1)


def ratios_at(other: Curve, ours: Curve) -> list[Ratio]:
    """At the quality of each point of the other curve."""
    found = []
    for place in range(other.cost.shape[1]):
        quality = other.quality[:, place]
        other_cost, our_cost = cost_at(other, quality), cost_at(ours, quality)
        found.append(
            Ratio(
                quality=float(quality[0]),
                other_cost=float(other_cost[0]),
                our_cost=float(our_cost[0]),
                ratio=interval(other_cost / our_cost),
                is_lower_bound=bool(quality[0] < ours.quality[0, 0]),
            )
        )
    return found


def interval(values: Float[Tensor, " R"]) -> Interval:
    """The first value, and the percentiles 2.5 and 97.5 of the others."""
    low, high = torch.quantile(values[1:], torch.tensor([0.025, 0.975], dtype=values.dtype))
    return Interval(float(values[0]), float(low), float(high))


def _resampled(point: Point, num_draws: int, seed: int, place: int) -> tuple[Tensor, Tensor]:
    """Cost and quality of a point: as measured, then of each draw."""
    num_samples = len(point.cost)
    draws = SeededDraws([seed + n for n in range(num_draws)])
    # Points differ in the part of each stream they use, so their draws are independent.
    draws.uniform(torch.ones(num_draws, place * num_samples, dtype=torch.bool))
    chosen = draws.uniform(torch.ones(num_draws, num_samples, dtype=torch.bool)) * num_samples
    rows = torch.cat([torch.arange(num_samples)[None], chosen.long()])
    cost = point.cost.double()[rows].mean(dim=1)
    quality = point.numerator.double()[rows].sum(1) / point.denominator.double()[rows].sum(1)
    return cost, quality
