"""Which optimiser learns faster per minute: Muon or AdamW for the matrices.

    python benchmarks/optimizers.py --data text8s.zip --steps 300

Each variant trains the same network on the same batches, one after the other, with a short
warm-up and a constant rate, and reports its training loss (draft + target, bits per token, mean
of the last tenth) at the end, and where it stood when the quickest variant was through.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from unmask.recipes.recipe import Recipe, preset
from unmask.recipes.run import train
from unmask.training.metrics import MetricsFile

VARIANTS = {
    "Muon 0.02": {"matrices": "muon", "matrix_lr": 0.02},
    "AdamW 1e-3": {"matrices": "adamw", "matrix_lr": 1e-3},
    "AdamW 3e-3": {"matrices": "adamw", "matrix_lr": 3e-3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--recipe", default="text8-small")
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()

    recipe = preset(options.recipe)
    curves = {}
    for name, choice in VARIANTS.items():
        curves[name] = curve(recipe, choice, options.data, options.steps)
        print(f"{name}: {curves[name][-1][0]:.0f} s", flush=True)
    budget = min(points[-1][0] for points in curves.values())
    print(f"\n| optimiser | bits after {options.steps} steps | bits after {budget:.0f} s |")
    print("| --- | --- | --- |")
    for name, points in curves.items():
        at_the_end = mean_before(points, points[-1][0])
        print(f"| {name} | {at_the_end:.3f} | {mean_before(points, budget):.3f} |")


def curve(recipe: Recipe, choice: dict, data: str, num_steps: int) -> list[tuple[float, float]]:
    """(seconds, draft + target bits) along a run."""
    recipe = Recipe(
        model=recipe.model,
        optimizer=replace(recipe.optimizer, warmup_steps=30, final_lr_share=1.0, **choice),
        trainer=replace(
            recipe.trainer, num_steps=num_steps, log_every=1, num_valid=2,
            validate_every=num_steps, checkpoint_every=num_steps,
        ),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, data=data, out=folder)
        rows = MetricsFile(Path(folder) / "metrics.jsonl").rows()
    return [(r["seconds"], r["draft_bits"] + r["target_bits"]) for r in rows if "draft_bits" in r]


def mean_before(points: list[tuple[float, float]], seconds: float) -> float:
    """The mean of the last tenth of the run up to a moment."""
    bits = [value for moment, value in points if moment <= seconds]
    last = bits[-max(1, len(points) // 10) :]
    return sum(last) / len(last)


if __name__ == "__main__":
    main()
