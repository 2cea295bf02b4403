"""What a report says of the exact numbers: means with errors and intervals, and two tables."""

from collections.abc import Sequence
from typing import Any

import torch

from unmask.evaluation.curves import Point, curve, interval

_NUM_DRAWS = 1000
"""Of the bootstrap behind each interval."""


def summarise_exact(points: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """The rows of both tables and the lines of a picture, as plain JSON.

    Intervals are over sequences.
    """
    held_out, chain = [], []
    for point in points:
        where = {name: point[name] for name in ("family", "budget")}
        if point["held_out"]:
            found = point["held_out"]
            held_out.append(
                where
                | {name: _mean(found[name]) for name in ("nfe", "trunk_passes", "tail_passes")}
                | {"bits": _estimate(found["bits"], seed)}
            )
        if "chain" not in point:
            continue
        found = point["chain"]
        row = where | {"reading": found["reading"]}
        if "skipped" in found:
            row["skipped"] = found["skipped"]
        if "bits" in found:
            row |= {"passes": _mean(found["passes"]), "bits": _estimate(found["bits"], seed)}
        chain.append(row)
    acceptance = [
        acceptance_row(point, point["held_out"]["acceptance"])
        for point in points
        if "acceptance" in point["held_out"]
    ]
    return {"held_out": held_out, "chain": chain, "acceptance": acceptance}


def acceptance_row(point: dict[str, Any], by_place: list[float]) -> dict[str, Any]:
    """A line of the picture of acceptances."""
    return {"label": f"{point['family']}, {point['budget']:g} NFE", "by_place": by_place}


def exact_section(exact: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """The lines of the section, of which each number is explained above its table."""
    lines = [
        "## Exact quality",
        "",
        "What the samples above estimate, computed (docs/exact-quality.md). ±: standard error; "
        "in brackets a 95 % bootstrap interval, both over sequences.",
        "",
        f"**Held-out text.** Bits per token of {settings['exact_sequences']} sequences under "
        "the law of each sampler (random orders: at most so many), all along the same orders, "
        "and the passes it would expect to make for them. Only samplers whose law is known.",
        "",
        "![bits per token against NFE](exact_bits.png)",
        "",
        "| sampler | NFE | trunk | tail | bits per token |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in sorted(exact["held_out"], key=lambda row: (row["family"], row["nfe"])):
        lines.append(
            f"| {row['family']} | {row['nfe']:.1f} | {row['trunk_passes']:.1f} "
            f"| {row['tail_passes']:.1f} | {_with_interval(row['bits'])} |"
        )
    if exact["acceptance"]:
        lines += [
            "",
            "The probability that a token is a draft that was kept, by its place in the order: "
            "expected over all ways to emit the held-out sequences, mean over sequences.",
            "",
            "![expected acceptance by place](exact_acceptance.png)",
        ]
    lines += [
        "",
        f"**A Markov chain** of order {settings['chain_order']}, fitted to the training text, "
        f"{settings['chain_length']} tokens at a time, in the place of the network: drafts are "
        "then exact, and KL(law of the sampler || chain), in bits per token, is the sampler's "
        "own error. A budget is as many passes for each token as above. ≤: a bound, where "
        "positions are drawn at random. 0: exact at every budget, since what it verifies "
        "follows the chain. Not tractable: positions depend on the tokens drawn, or tokens are "
        "taken back.",
        "",
        "![divergence against passes](exact_divergence.png)",
        "",
        "| sampler | passes | KL, bits per token |",
        "| --- | --- | --- |",
        *_chain_rows(exact["chain"]),
    ]
    return lines


def _chain_rows(rows: Sequence[dict[str, Any]]) -> list[str]:
    lines = {}
    for row in sorted(rows, key=lambda row: (row["family"], row["budget"])):
        name, reading = row["family"], row["reading"]
        if reading == "zero":
            lines[name] = f"| {name} | any | 0 |"
        elif reading == "unknown":
            lines[name] = f"| {name} | | not tractable |"
        elif "skipped" in row:
            lines[name, row["budget"]] = f"| {name} | | {row['skipped']} |"
        else:
            bound = "≤ " if reading == "at most" else ""
            text = f"| {name} | {row['passes']:.1f} | {bound}{_with_interval(row['bits'])} |"
            lines[name, row["budget"]] = text
    return list(lines.values())


def _with_interval(bits: dict[str, float | None]) -> str:
    value, error, low, high = (
        "–" if bits[name] is None else f"{bits[name]:.4f}"
        for name in ("value", "standard_error", "low", "high")
    )
    return f"{value} ± {error} ({low} to {high})"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _estimate(values: Sequence[float], seed: int) -> dict[str, float]:
    """Mean, standard error, and the percentiles 2.5 and 97.5 of the bootstrap."""
    bits = torch.tensor(values, dtype=torch.float64)
    ones = torch.ones_like(bits)
    drawn = interval(curve([Point(ones, bits, ones)], _NUM_DRAWS, seed).quality[:, 0])
    error = float(bits.std()) / len(values) ** 0.5
    return {"value": drawn.value, "standard_error": error, "low": drawn.low, "high": drawn.high}
