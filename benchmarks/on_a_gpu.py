"""What a machine with a GPU is asked once: are samples right, how fast, and train while it lasts.

    python benchmarks/on_a_gpu.py --data text8s.xz --out gpu --minutes 10

In so many minutes, all told: samples in float32 on the GPU against those of the CPU for the same
seeds; tokens per second, and time over the bare passes; then, until the time is over, the
training of each --train, a recipe with its options, all at once, each by a cosine that follows
the clock; after a share of that time the training of each --then, which may name the model of
one before it, as in "adapt --trunk {arithmetic}". What comes out lies in --out: report.json,
table.md, and of each recipe its model in bf16 with recipe and metrics as NAME.tar, cut into parts
of at most 15 MB (`cat NAME.tar.part-* | tar x`).

A training that fails in its first minute, as where torch.compile does, is begun again without
compiling. On a CPU, in small:

    python benchmarks/on_a_gpu.py --data text.txt --out gpu --device cpu --minutes 1 \\
        --train "tiny --trainer.batch-size 4" --num-samples 1 --length 32 --batch-sizes 1
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from itertools import product
from pathlib import Path

import torch

import unmask
from unmask.files import json_lines
from unmask.files.tensors import WEIGHTS_FILE, read_tensors, write_tensors
from unmask.speed.bench import measure
from unmask.speed.machine import machine

PART_BYTES = 15_000_000
FIRST_MINUTE = 90
RECIPES = ["text8-stream --trainer.batch-size 128", "text8-ar --trainer.batch-size 128"]


def samples_agree(options: argparse.Namespace) -> dict:
    """Token ids of the same seeds on both devices."""
    drawn: list[list] = []
    wanted = {"num_samples": options.num_samples, "length": options.length}
    for device in ("cpu", options.device):
        models = [unmask.load(name, device=device) for name in options.models]
        drawn.append([s.token_ids for m in models for s in m.generate(seed=7, **wanted)])
    equal = [a == b for a, b in zip(*drawn, strict=True)]
    return {"samples": len(equal), "equal": sum(equal)}


def speeds(options: argparse.Namespace) -> list[dict]:
    """Of shipped models in bf16, generating with their default samplers."""
    rows = []
    opened = {
        name: unmask.load(name, device=options.device, dtype=torch.bfloat16)
        for name in options.models
    }
    for (name, model), num_sequences in product(opened.items(), options.batch_sizes):
        row = measure(
            model.network,
            model.default_sampler,
            length=options.length,
            num_sequences=num_sequences,
            rounds=2,
        )
        rows.append(
            {
                "model": name,
                "sequences": num_sequences,
                "tokens_per_second": round(row.tokens_per_second),
                "over_passes": round(row.over_passes, 3),
            }
        )
    return rows


class Training:
    """A run of `unmask train` beside others."""

    def __init__(self, asked: str, options: argparse.Namespace, end: float) -> None:
        self.recipe, *self.arguments = shlex.split(asked)
        self.small = options.runs / f"{self.recipe}-bf16"
        self.options, self.end = options, end
        self.is_compiled = options.compile and "--trainer.compile" not in self.arguments
        self.begin()

    def begin(self) -> None:
        self.start = time.time()
        self.folder = self.options.runs / (self.recipe + ("" if self.is_compiled else "-eager"))
        minutes = (self.end - self.start) / 60
        command = [
            sys.executable, "-m", "unmask", "train", self.recipe,
            "--data", str(self.options.data), "--out", str(self.folder),
            "--trainer.schedule", "time", "--trainer.minutes", f"{minutes:.3f}",
            *self.arguments,
            *(["--trainer.compile", "true"] if self.is_compiled else []),
        ]  # fmt: skip
        self.log = self.options.out / f"{self.recipe}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=dict(os.environ, COLUMNS="100")
            )

    def watch(self) -> bool:
        """Whether it is still running; one that failed early is begun again."""
        if self.process.poll() is None:
            return True
        is_early = time.time() - self.start < FIRST_MINUTE
        if self.process.returncode and self.is_compiled and is_early:
            self.is_compiled = False
            self.begin()
            return True
        return False

    def summary(self) -> dict:
        rows = json_lines.read(self.folder / "metrics.jsonl")
        reports = [row for row in rows if "tokens" in row]
        valid = [row for row in rows if "tokens" not in row]
        return {
            "recipe": self.recipe,
            "exit": self.process.returncode,
            "compiled": self.is_compiled,
            "steps": reports[-1]["step"] if reports else 0,
            "tokens": reports[-1]["tokens"] if reports else 0,
            "seconds": reports[-1]["seconds"] if reports else 0,
            "validation": valid[-1] if valid else {},
        }

    def pack(self) -> None:
        """The model in bf16, with recipe and metrics, in parts that travel."""
        self.small.mkdir(exist_ok=True)
        for file in self.folder.iterdir():
            if file.is_file() and file.name != WEIGHTS_FILE:
                shutil.copy(file, self.small)
        weights = read_tensors(self.folder / WEIGHTS_FILE)
        write_tensors(self.small / WEIGHTS_FILE, {n: w.bfloat16() for n, w in weights.items()})
        whole = self.options.runs / f"{self.recipe}.tar"
        with tarfile.open(whole, "w") as tar:
            for file in sorted(self.small.iterdir()):
                tar.add(file, file.name)
        data = whole.read_bytes()
        for number, start in enumerate(range(0, len(data), PART_BYTES)):
            part = self.options.out / f"{self.recipe}.tar.part-{number}"
            part.write_bytes(data[start : start + PART_BYTES])


def trained(recipes: list[str], options: argparse.Namespace, end: float) -> list[Training]:
    """All of these at once, to their end, and packed."""
    trainings = [Training(asked, options, end) for asked in recipes]
    while any([training.watch() for training in trainings]):
        time.sleep(1)
    for training in trainings:
        training.pack()
    return trainings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, help="for the run folders; default: in --out")
    parser.add_argument("--minutes", type=float, default=12.0, help="for everything")
    parser.add_argument("--kept-seconds", type=float, default=25, help="of those, for packing")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--models", nargs="+", default=["text8s", "text8s-any"])
    parser.add_argument("--train", action="append", help="a recipe, with options of unmask train")
    parser.add_argument("--then", action="append", default=[], help="the same, behind those")
    parser.add_argument("--share-of-then", type=float, default=0.25, help="of the time to train")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--checks", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--num-samples", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 64])
    options = parser.parse_args()
    end = time.time() + 60 * options.minutes - options.kept_seconds
    options.runs = options.runs or options.out / "runs"
    for folder in (options.out, options.runs):
        folder.mkdir(parents=True, exist_ok=True)
    report: dict = {"machine": machine(), "torch": torch.__version__, "device": options.device}
    if options.checks:
        report["samples"] = samples_agree(options)
        report["speed"] = speeds(options)
        print(json.dumps(report), flush=True)
    kept = options.share_of_then * (end - time.time()) if options.then else 0
    trainings = trained(options.train or RECIPES, options, end - kept)
    paths = {training.recipe: training.small for training in trainings}
    then = [asked.format(**paths) for asked in options.then]
    trainings += trained(then, options, end)
    report["trainings"] = [training.summary() for training in trainings]
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    table = [
        "| recipe | steps | characters | seconds | compiled | validation |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row['recipe']} | {row['steps']:,.0f} | {row['tokens']:,.0f} "
            f"| {row['seconds']:.0f} | {row['compiled']} | "
            + ", ".join(
                f"{name.removeprefix('valid_')} {value:.3f}"
                for name, value in row["validation"].items()
                if name.endswith("_bits")
            )
            + " |"
            for row in report["trainings"]
        ),
    ]
    (options.out / "table.md").write_text("\n".join(table) + "\n")
    print("\n".join(table), flush=True)
    if any(training.process.returncode for training in trainings):
        sys.exit(1)


if __name__ == "__main__":
    main()
