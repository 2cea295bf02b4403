"""One sampler against the others: cost at equal quality, and quality at equal cost."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import torch

from unmask.evaluation.curves import (
    Curve,
    Point,
    cost_at,
    curve,
    interval,
    quality_at,
    ratios_at,
)
from unmask.frontier.summary import samples_of
from unmask.quality.quality import Quality

_NUM_DRAWS = 1000
"""Of the bootstrap behind each interval."""


def ratios(
    points: Sequence[dict[str, Any]], quality: Quality, *, ours: str, seed: int
) -> list[dict[str, Any]]:
    """Passes and seconds of every other family over ours, at the quality of each point.

    Each is read off the two curves as `curves` says, with a bootstrap interval.
    """
    found = []
    families = dict.fromkeys(p["family"] for p in points if "skipped" not in p)
    if ours not in families:
        return []
    for cost in ("critical_path", "nfe", "seconds"):
        curves = {
            name: curve([_as_point(p, cost, quality) for p in _of(points, name)], _NUM_DRAWS, seed)
            for name in families
        }
        for name in families:
            if name != ours:
                for ratio in ratios_at(curves[name], curves[ours]):
                    row = {"cost": cost, "of": name, "over": ours, **asdict(ratio)}
                    found.append(row | {"quality": _sign(quality) * ratio.quality})
    return found


def gains(
    points: Sequence[dict[str, Any]],
    quality: Quality,
    *,
    ours: str,
    verified: Collection[str],
    seed: int,
) -> list[dict[str, Any]]:
    """What the order gives and what verification does, at the quality of each ancestral point.

        order          passes of ancestral sampling  /  of the best sampler that verifies nothing
        verification   passes of that one            /  of ours

    The best is drawn anew with each draw of the bootstrap, over all families that are not in
    `verified`. Qualities that ours does not reach are left out; so is all if there is no
    ancestral sampling, or ours verifies nothing.
    """
    families = dict.fromkeys(p["family"] for p in points if "skipped" not in p)
    plain = [name for name in families if name not in verified]
    if ours not in families or ours not in verified or _BASE not in plain:
        return []
    found = []
    for cost in ("critical_path", "nfe", "seconds"):
        curves = {
            name: curve([_as_point(p, cost, quality) for p in _of(points, name)], _NUM_DRAWS, seed)
            for name in (*plain, ours)
        }
        for place in range(curves[_BASE].cost.shape[1]):
            wanted = curves[_BASE].quality[:, place]
            costs = {name: cost_at(each, wanted) for name, each in curves.items()}
            every = torch.stack([costs[name] for name in plain])
            best, which = every.min(dim=0)
            three = costs[_BASE], best, costs[ours]
            if not three[2][0].isfinite():
                continue
            found.append(
                {
                    "cost": cost,
                    "over": ours,
                    "best_unverified": plain[int(which[0])],
                    "quality": _sign(quality) * float(wanted[0]),
                    "costs": [float(each[0]) for each in three],
                    "is_lower_bound": bool(wanted[0] < curves[ours].quality[0, 0]),
                    "order": asdict(interval(three[0] / three[1])),
                    "verification": asdict(interval(three[1] / three[2])),
                }
            )
    return found


_BASE = "ancestral"


def leads(
    points: Sequence[dict[str, Any]], quality: Quality, *, ours: str, seed: int
) -> list[dict[str, Any]]:
    """By how much each point of another family is better than ours at the same NFE.

    Points cheaper than the cheapest of ours are left out: there is nothing to compare them with.
    """

    def curve_of(chosen: Sequence[dict[str, Any]]) -> Curve:
        return curve([_as_point(p, "nfe", quality) for p in chosen], _NUM_DRAWS, seed)

    own = _of(points, ours)
    if not own:
        return []
    our_curve, found = curve_of(own), []
    for point in points:
        if point["family"] == ours or "skipped" in point:
            continue
        theirs = curve_of([point])
        cost, their_quality = theirs.cost[:, 0], theirs.quality[:, 0]
        if cost[0] < our_curve.cost[0, 0]:
            continue
        our_quality = quality_at(our_curve, cost)
        found.append(
            {
                "of": point["family"],
                "over": ours,
                "budget": point["budget"],
                "nfe": float(cost[0]),
                "quality": _sign(quality) * float(their_quality[0]),
                "our_quality": _sign(quality) * float(our_quality[0]),
                "lead": asdict(interval(their_quality - our_quality)),
            }
        )
    return found


def _sign(quality: Quality) -> int:
    """On a curve more is better; -1 where less is."""
    return -1 if quality.main.is_better < 0 else 1


def _of(points: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [p for p in points if p["family"] == name and "skipped" not in p]


def _as_point(point: dict[str, Any], cost: str, quality: Quality) -> Point:
    found = quality.of_each(samples_of(point))
    return Point(
        torch.tensor(point[cost], dtype=torch.float64),
        _sign(quality) * torch.tensor(found.numerator, dtype=torch.float64),
        torch.tensor(found.denominator, dtype=torch.float64),
    )
