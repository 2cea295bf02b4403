"""What each part of the hybrid network is worth: small networks trained without it.

    python benchmarks/network_ablations.py --data text8s.zip --out runs/ablations

Every variant is trained from several seeds on the same batches; seeds differ in weights, batches
and masks. Each row is a mean over seeds with its standard error, and "against full" the mean of
the differences from the full network of the same seed. A run that is stopped goes on where it
was; finished seeds are not trained again.

draft, target: validation bits per token. law: bits per token of held-out text under the
sampler's own law (a bound over orders), with the passes that it takes in expectation.
"""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path

import torch

import unmask
from unmask.cli.progress import progress
from unmask.data.text import consecutive_crops, load_corpus
from unmask.files.atomic import replacing
from unmask.network.config import HybridConfig
from unmask.recipes.recipe import Recipe
from unmask.recipes.run import train
from unmask.training.config import TrainerConfig
from unmask.training.optimizers import OptimizerConfig
from unmask.vocabularies.characters import text8

NETWORK = HybridConfig(length=64, width=96, num_heads=2, num_trunk_blocks=3, num_tail_blocks=1)
VARIANTS = {
    "full": {},
    "without the output residual": {"output_residual": False},
    "two tail blocks of four": {"num_trunk_blocks": 2, "num_tail_blocks": 2},
    "tail reads the token": {"tail_inputs": "token"},
    "tail reads token and own position": {"tail_inputs": "token+current"},
    "rotary positions in halves": {"tail_rotary": "halves"},
    "first target from a start track": {"first_target": "start-track"},
    "separate heads": {"heads": "separate"},
}
SAMPLER = unmask.SelfSpeculative(window=unmask.Cosine(0.1), verify_rounds=8)
COLUMNS = ("draft", "target", "law", "nfe", "acceptance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="text8, or a text like it")
    parser.add_argument("--out", required=True, help="folder of the runs")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=3, help="at least 2, for a standard error")
    parser.add_argument("--variants", nargs="*", help="some of them, by name; else all")
    options = parser.parse_args()
    variants = {name: VARIANTS[name] for name in options.variants or VARIANTS}

    found: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for seed in range(options.seeds):  # seed by seed, so that a first comparison is there early
        for name, choice in variants.items():
            folder = Path(options.out) / f"{name.replace(' ', '-')}-{seed}"
            found[name].append(result(choice, seed, options.steps, options.data, folder))
    print(f"| network | {' | '.join(COLUMNS)} | law, against full |")
    print("| --- " * (len(COLUMNS) + 2) + "|")
    for name, rows in found.items():
        cells = [mean_with_error([row[column] for row in rows]) for column in COLUMNS]
        pairs = zip(rows, found["full"], strict=True)
        change = mean_with_error([row["law"] - full["law"] for row, full in pairs])
        print(f"| {name} | {' | '.join(cells)} | {change if name != 'full' else ''} |")


def result(choice: dict, seed: int, num_steps: int, data: str, folder: Path) -> dict[str, float]:
    """Train one network, or go on with it, and score it; or read what was found before."""
    file = folder / f"result-{num_steps}.json"
    if file.exists():
        return json.loads(file.read_text())
    recipe = Recipe(
        model=replace(NETWORK, **choice),
        optimizer=OptimizerConfig(matrices="muon", matrix_lr=0.02, lr=0.004, warmup_steps=50),
        trainer=TrainerConfig(
            num_steps=num_steps, batch_size=64, seed=seed, ema_decay=0.99, precision="float32",
            num_valid=2048, validate_every=num_steps, checkpoint_every=250,
        ),
    )  # fmt: skip
    with progress(folder.name, num_steps) as advance:
        validation = train(
            recipe,
            data=data,
            out=folder,
            resume="auto",
            observe=lambda report: advance(report.progress.step, ""),
        )
    assert validation is not None
    crops = consecutive_crops(load_corpus(data, text8()).valid, NETWORK.length, 64)
    score = unmask.load(str(folder)).score(crops, SAMPLER, batch_size=256)
    values = {
        "draft": validation.draft_bits,
        "target": validation.target_bits,
        "law": score.likelihood.value,
        "nfe": recipe.model.nfe(score.trunk_passes, score.tail_passes),
        "acceptance": score.acceptance_rate,
        "threads": torch.get_num_threads(),
    }
    with replacing(file) as draft:
        draft.write_text(json.dumps(values) + "\n")
    return values


def mean_with_error(values: list[float]) -> str:
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return f"{mean:.3f} ± {math.sqrt(variance / len(values)):.3f}"


if __name__ == "__main__":
    main()
