"""A point as numbers, each with its standard error over samples."""

import math
from collections.abc import Sequence, Set
from dataclasses import fields
from typing import Any

from unmask.evaluation.ngrams import diversity
from unmask.evaluation.spelling import SpellingAccuracy, spelling_accuracy

_COSTS = ("critical_path", "nfe", "trunk_passes", "tail_passes", "seconds")


def summarise(point: dict[str, Any], known_words: Set[str]) -> dict[str, Any]:
    """What a report says of a point: settings, costs and qualities, but not the samples."""
    if "skipped" in point:
        return point
    numbers = {name: _mean(point[name]) for name in _COSTS}
    numbers |= summarise_texts(point["texts"], known_words, point.get("judge_bits", ()))
    num_tokens = len(point["token_ids"][0])
    kept = {name: point[name] for name in ("family", "budget", "knob", "sampler", "seed")}
    return kept | {
        "num_samples": len(point["nfe"]),
        "numbers": numbers,
        "tokens_per_trunk_pass": num_tokens / numbers["trunk_passes"]["value"],
        "tokens_per_second": num_tokens / numbers["seconds"]["value"],
        "acceptance_rate": sum(point["accepted"])
        / max(1, sum(point["accepted"]) + sum(point["rejected"])),
        "peak_memory_bytes": point["peak_memory_bytes"],
        "tokens_per_pass": point["tokens_per_pass"],
    }


def summarise_texts(
    texts: Sequence[str], known_words: Set[str], judged: Sequence[float] = ()
) -> dict[str, dict[str, float]]:
    """The qualities of samples, or of real text: spelling, judge's bits, entropies, n-grams."""
    accuracy = spelling_accuracy(texts, known_words)
    numbers = {"spelling_accuracy": _number(accuracy.share, accuracy.standard_error)}
    if judged:
        numbers["judge_bits"] = _mean(judged)
    found = diversity(texts)
    estimates = {field.name: getattr(found, field.name) for field in fields(found)}
    return numbers | {name: _number(e.value, e.standard_error) for name, e in estimates.items()}


def accuracy_of(point: dict[str, Any], known_words: Set[str]) -> SpellingAccuracy:
    """Of the samples of a point."""
    return spelling_accuracy(point["texts"], known_words)


def _mean(values: Sequence[float]) -> dict[str, float]:
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return _number(mean, math.sqrt(squares / max(1, len(values) - 1) / len(values)))


def _number(value: float, standard_error: float) -> dict[str, float]:
    return {"value": value, "standard_error": standard_error}
