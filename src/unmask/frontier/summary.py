"""A point as numbers, each with its standard error over samples."""

from typing import Any

from unmask.evaluation.ratio_of_sums import RatioOfSums, mean_of
from unmask.quality.quality import Quality, Samples

_COSTS = ("critical_path", "nfe", "trunk_passes", "tail_passes", "seconds")


def summarise(point: dict[str, Any], quality: Quality) -> dict[str, Any]:
    """What a report says of a point: settings, costs and qualities, but not the samples."""
    if "skipped" in point:
        return point
    numbers = {name: mean_of(point[name]).to_json() for name in _COSTS}
    numbers |= summarise_samples(samples_of(point), quality)
    # A report that was made before lengths could differ says nothing of them.
    lengths = point.get("num_tokens") or [len(ids) for ids in point["token_ids"]]
    num_tokens = sum(lengths) / len(lengths)
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


def summarise_samples(samples: Samples, quality: Quality) -> dict[str, dict[str, float]]:
    """The numbers of a quality, as plain JSON."""
    return {name: number.to_json() for name, number in quality.numbers(samples).items()}


def samples_of(point: dict[str, Any]) -> Samples:
    """The samples of a point, with what a judge said of them."""
    bits = point.get("judge_bits")
    if not bits:
        return Samples(point["texts"])
    units = point.get("judge_units") or [1.0] * len(bits)
    total = tuple(each * num for each, num in zip(bits, units, strict=True))
    return Samples(point["texts"], RatioOfSums(total, tuple(units)))
