"""Accuracy under parallelism (AUP): one number for a decoder, over its settings.

With settings sorted by tokens per pass rho_1 < rho_2 < .., accuracies y_i in percent, those left
out that are more than 5 below the decoder's best, and y_max the best accuracy of any decoder,

    AUP = rho_1 y_1 + sum_i (rho_i - rho_(i-1)) (y_i W(y_i) + y_(i-1) W(y_(i-1))) / 2,
    W(y) = min(1, exp(-3 (1 - y / y_max)))

One token per pass at y percent has y; twice the tokens at the same accuracy have twice as much.

Source: d3LLM, arXiv:2601.07568.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

_LARGEST_LOSS = 5.0
"""In points of accuracy, from a decoder's best setting to one that counts."""
_STEEPNESS = 3.0


def aup(points: Iterable[tuple[float, float]], best: float) -> float:
    """Of (tokens per pass, accuracy in percent); `best` is that of any decoder."""
    every = sorted(points)
    largest = max(y for _, y in every)
    kept = [(rho, y) for rho, y in every if y >= largest - _LARGEST_LOSS]

    def weighted(y: float) -> float:
        return y * min(1.0, math.exp(-_STEEPNESS * (1 - y / best))) if y else 0.0

    area = kept[0][0] * kept[0][1]
    for (before, y_before), (rho, y) in zip(kept, kept[1:], strict=False):
        area += (rho - before) * (weighted(y) + weighted(y_before)) / 2
    return area


def of_decoders(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """AUP by decoder, the best first, of a report's rows: those are its settings."""
    settings: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        point = row["tokens_per_pass"], 100 * row["accuracy"]["value"]
        settings.setdefault(without_numbers(row["name"]), []).append(point)
    best = max(y for points in settings.values() for _, y in points)
    found = {name: aup(points, best) for name, points in settings.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def without_numbers(name: str) -> str:
    """What the settings of one decoder have in common: its name or spec without its numbers."""
    name = re.sub(r"\w+=[-+]?[\d.]+(e[-+]?\d+)?\s*,?\s*", "", name)
    name = re.sub(r",?\s*\)", ")", name).replace("()", "")
    return re.sub(r"(/(every|keep|replace))?[-/]\d+(\.\d+)?", "", name)
