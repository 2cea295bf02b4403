"""A point as numbers, each with its standard error over samples; and the headline ratios."""

import math
from collections.abc import Sequence, Set
from dataclasses import asdict, fields
from typing import Any

import torch

from unmask.evaluation.ngrams import diversity
from unmask.evaluation.spelling import SpellingAccuracy, spelling_accuracy
from unmask.frontier.curves import Point, curve, ratios_at

_COSTS = ("nfe", "trunk_passes", "tail_passes", "seconds")
_NUM_DRAWS = 1000
"""Of the bootstrap behind each interval."""


def summarise(point: dict[str, Any], known_words: Set[str]) -> dict[str, Any]:
    """What a report says of a point: settings, costs and qualities, but not the samples."""
    if "skipped" in point:
        return point
    accuracy = _accuracy(point, known_words)
    numbers = {name: _mean(point[name]) for name in _COSTS}
    numbers["spelling_accuracy"] = _number(accuracy.share, accuracy.standard_error)
    if "judge_bits" in point:
        numbers["judge_bits"] = _mean(point["judge_bits"])
    numbers |= diversity_of(point["texts"])
    num_tokens = len(point["token_ids"][0])
    kept = {name: point[name] for name in ("family", "budget", "knob", "sampler", "seed")}
    return kept | {
        "num_samples": len(point["nfe"]),
        "numbers": numbers,
        "tokens_per_second": num_tokens / numbers["seconds"]["value"],
        "acceptance_rate": sum(point["accepted"])
        / max(1, sum(point["accepted"]) + sum(point["rejected"])),
        "peak_memory_bytes": point["peak_memory_bytes"],
        "tokens_per_pass": point["tokens_per_pass"],
    }


def diversity_of(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Entropies and distinct n-grams."""
    found = diversity(texts)
    estimates = {field.name: getattr(found, field.name) for field in fields(found)}
    return {name: _number(e.value, e.standard_error) for name, e in estimates.items()}


def ratios(
    points: Sequence[dict[str, Any]], known_words: Set[str], *, ours: str, seed: int
) -> list[dict[str, Any]]:
    """Passes and seconds of every other family over ours, at the spelling accuracy of each point.

    Each is read off the two curves as `curves` says, with a bootstrap interval.
    """
    found = []
    families = dict.fromkeys(p["family"] for p in points if "skipped" not in p)
    if ours not in families:
        return []
    for cost in ("nfe", "seconds"):
        curves = {
            name: curve(
                [_as_point(p, cost, known_words) for p in _of(points, name)], _NUM_DRAWS, seed
            )
            for name in families
        }
        for name in families:
            if name != ours:
                for ratio in ratios_at(curves[name], curves[ours]):
                    found.append({"cost": cost, "of": name, "over": ours, **asdict(ratio)})
    return found


def _of(points: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [p for p in points if p["family"] == name and "skipped" not in p]


def _as_point(point: dict[str, Any], cost: str, known_words: Set[str]) -> Point:
    accuracy = _accuracy(point, known_words)
    return Point(
        torch.tensor(point[cost], dtype=torch.float64),
        torch.tensor(accuracy.correct_per_sample, dtype=torch.float64),
        torch.tensor(accuracy.words_per_sample, dtype=torch.float64),
    )


def _accuracy(point: dict[str, Any], known_words: Set[str]) -> SpellingAccuracy:
    return spelling_accuracy(point["texts"], known_words)


def _mean(values: Sequence[float]) -> dict[str, float]:
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return _number(mean, math.sqrt(squares / max(1, len(values) - 1) / len(values)))


def _number(value: float, standard_error: float) -> dict[str, float]:
    return {"value": value, "standard_error": standard_error}
