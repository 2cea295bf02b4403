"""Trunk passes with the C allocator as it is, and told to keep freed memory.

    python benchmarks/allocator.py text8s --precision bf16

Claim: a pass of several sequences takes about two thirds of the time. Each choice is a process of
its own, since it cannot be taken back; the processes take turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch

import unmask
from unmask.allocator import keep_freed_memory
from unmask.speed.machine import machine

CHOICES = ("left", "kept")


def milliseconds(model: str, precision: str, batch_sizes: list[int]) -> list[float]:
    """Of a trunk pass, per sequence, for each number of sequences: medians of nine."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = unmask.load(model, dtype=dtype).network
    found = []
    for batch_size in batch_sizes:
        token_ids = torch.full((batch_size, network.config.length), network.vocab_size)
        positions = torch.zeros(batch_size, 1, dtype=torch.long)
        seconds = []
        for _ in range(10):
            start = time.perf_counter()
            network.draft(token_ids, positions)
            seconds.append(time.perf_counter() - start)
        found.append(1e3 * statistics.median(seconds[1:]) / batch_size)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="text8s")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", choices=CHOICES, help="measure one choice, here")
    options = parser.parse_args()
    if options.worker:
        if options.worker == "kept":
            assert keep_freed_memory(), "there is no glibc here, or the environment has chosen"
        print(json.dumps(milliseconds(options.model, options.precision, options.batch_sizes)))
        return
    found: dict[str, list[list[float]]] = {choice: [] for choice in CHOICES}
    for _ in range(options.rounds):
        for choice in CHOICES:
            command = [sys.executable, *sys.argv, "--worker", choice]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[choice].append(json.loads(answer))
    print(f"{machine()}, {options.precision}")
    print("| sequences | ms each, left | ms each, kept | ratio |\n| --- | --- | --- | --- |")
    for column, batch_size in enumerate(options.batch_sizes):
        left, kept = ([row[column] for row in found[choice]] for choice in CHOICES)
        ratio = statistics.median(a / b for a, b in zip(left, kept, strict=True))
        print(
            f"| {batch_size} | {statistics.median(left):.2f} | {statistics.median(kept):.2f} "
            f"| {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
