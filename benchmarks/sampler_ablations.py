"""What each choice of the self-speculative sampler is worth, at equal passes.

    python benchmarks/sampler_ablations.py text8s-any --data text8s.zip --precision bf16
    python benchmarks/sampler_ablations.py runs/ablations/full-* --data text8s.zip

A choice is a curve: bits per token of held-out text under the law of the sampler, against the
NFE that it expects to take for that text, over windows from narrow to wide. Both are computed,
not sampled (docs/exact-quality.md). Curves are read at the same NFE, by a line through their
points in log NFE; "best N" is the least over N there. All share the sequences and, of each kind,
their orders.

With several models (the same network trained from several seeds) a number is the mean over
models, with one it is the mean over sequences; either way with its standard error, and with the
difference from the first curve, paired. Bits of random orders are upper bounds.
"""

import argparse
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

import unmask
from unmask.data.text import consecutive_crops, load_corpus
from unmask.evaluation.sampler_likelihood import SamplerLikelihoods
from unmask.process.windows import Linear

ROUNDS = (1, 2, 3, 4, 6, 8, 10)
DTAUS = tuple(0.005 * 1.5**n for n in range(12))
PATIENCES = (0.25, 0.5, 1.0, 2.0, 4.0)
WIDEST, PATIENT_ROUNDS = 0.3, 16
"""What a pass with patience may take at most."""

Curve = list[unmask.SelfSpeculative]
Values = np.ndarray
"""Bits of each unit, model or sequence, at one NFE."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="one model, or several trained alike")
    parser.add_argument("--data", required=True, help="the text they were trained on")
    parser.add_argument("--num-sequences", type=int, default=16)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--dtau", type=float, nargs="*", default=DTAUS, help="of the windows")
    parser.add_argument("--settings", action="store_true", help="print every setting too")
    parser.add_argument("--budgets", type=float, nargs="*", help="NFE; else L / 32 to L / 4")
    options = parser.parse_args()

    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    choices, found = curves(options.dtau), []
    for name in options.models:
        model = unmask.load(name, dtype=dtype)
        valid = load_corpus(options.data, model.vocabulary).valid
        token_ids = consecutive_crops(valid, model.length, options.num_sequences).long()
        found.append(measured(model, token_ids, choices))
        print(f"{name}: {sum(map(len, choices.values()))} settings", flush=True)
    budgets = options.budgets or [model.length / share for share in (32, 16, 8, 4)]
    rows = {name: [read(found, name, budget) for budget in budgets] for name in names(choices)}
    print(f"| {' | '.join(['', *(f'{budget:g} NFE' for budget in budgets)])} |")
    print("| --- " * (1 + len(budgets)) + "|")
    first = next(iter(rows.values()))
    for name, row in rows.items():
        cells = [shown(own, base) for own, base in zip(row, first, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")
    if options.settings:
        print_settings(found, choices)


def print_settings(
    found: list[dict[str, tuple[Values, Values]]], choices: dict[str, Curve]
) -> None:
    """NFE and bits of every setting, means over models and sequences."""
    print("\n| curve | setting | NFE | bits |\n| --- | --- | --- | --- |")
    for name, samplers in choices.items():
        nfe = np.mean([np.exp(curve_of[name][0]) for curve_of in found], axis=0)
        bits = np.mean([curve_of[name][1].mean(axis=1) for curve_of in found], axis=0)
        for place, sampler in enumerate(samplers):
            knob = f"dtau = {sampler.window.dtau:.3g}, patience = {sampler.patience:g}"
            print(f"| {name} | {knob} | {nfe[place]:.2f} | {bits[place]:.4f} |")


def curves(dtaus: Sequence[float]) -> dict[str, Curve]:
    """Every choice by name, its settings from narrow to wide."""
    made: dict[str, Curve] = {}
    for num_rounds in ROUNDS:
        made[f"cosine window, N = {num_rounds}"] = over_windows(unmask.Cosine, dtaus, num_rounds)
        made[f"linear window, N = {num_rounds}"] = over_windows(Linear, dtaus, num_rounds)
        made[f"spaced order, N = {num_rounds}"] = over_windows(
            unmask.Cosine, dtaus, num_rounds, order="spaced"
        )
    # An order that depends on the window needs tables of its own for each: a few must do.
    made["confident order, N = 2"] = over_windows(unmask.Cosine, dtaus[2::3], 2, order="confident")
    made["passes that end by patience"] = [
        unmask.SelfSpeculative(
            window=unmask.Cosine(WIDEST), verify_rounds=PATIENT_ROUNDS, patience=patience
        )
        for patience in PATIENCES
    ]
    return made


def over_windows(shape, dtaus: Sequence[float], num_rounds: int, order: str = "random") -> Curve:
    return [
        unmask.SelfSpeculative(window=shape(dtau), verify_rounds=num_rounds, order=order)
        for dtau in dtaus
    ]


KINDS = ("cosine window", "linear window", "spaced order")


def names(choices: dict[str, Curve]) -> Iterator[str]:
    """The rows of the table."""
    yield from (f"{kind}, best N" for kind in KINDS)
    yield from (name for name in choices if not name.startswith(KINDS[1:]))


def measured(model, token_ids, choices: dict[str, Curve]) -> dict[str, tuple[Values, Values]]:
    """Of each curve: log NFE by setting, and bits by setting and sequence."""
    laws = SamplerLikelihoods(model.network, token_ids)
    found = {}
    for name, samplers in choices.items():
        log_nfe, bits = [], []
        for sampler in samplers:
            emission = laws.emission(sampler)
            work = emission.work
            nfe = model.network.config.nfe(work.trunk_passes.mean(), work.tail_passes.mean())
            log_nfe.append(math.log(nfe))
            bits.append((-emission.nats.double() / (model.length * math.log(2))).numpy())
        found[name] = np.array(log_nfe), np.array(bits)
    return found


def read(found: list[dict[str, tuple[Values, Values]]], name: str, budget: float) -> Values:
    """Bits of each unit at a budget; not a number where a curve does not reach it."""
    kind, _, choice = name.partition(", ")
    if choice == "best N":
        readings = [read(found, f"{kind}, N = {num_rounds}", budget) for num_rounds in ROUNDS]
        reached = [values for values in readings if not np.isnan(values).any()]
        return min(reached, key=np.mean, default=readings[0])
    per_model = []
    for curve_of in found:
        log_nfe, bits = curve_of[name]
        order = np.argsort(log_nfe)
        log_nfe, bits = log_nfe[order], bits[order]
        outside = dict(left=np.nan, right=np.nan)
        by_sequence = [np.interp(math.log(budget), log_nfe, row, **outside) for row in bits.T]
        per_model.append(np.array(by_sequence))
    return per_model[0] if len(found) == 1 else np.array([bits.mean() for bits in per_model])


def shown(values: Values, base: Values) -> str:
    if np.isnan(values).any():
        return "–"
    text = f"{values.mean():.3f}"
    if np.isnan(base).any() or values is base:
        return f"{text} ± {error(values):.3f}" if len(values) > 1 else text
    return f"{text} ({(values - base).mean():+.3f} ± {error(values - base):.3f})"


def error(values: Values) -> float:
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


if __name__ == "__main__":
    main()
