"""What a training step is made of: Muon by stacks beside torch's own, and the making of lessons.

    python benchmarks/training_pieces.py

One thread. Muon steps all matrices of a network like `arithmetic`; the ratio is that of medians of
rounds taken in turns.
"""

import time

import torch

import unmask
from unmask.recipes.arithmetic import arithmetic_task
from unmask.speed.paired import in_turns
from unmask.training.stacked_muon import StackedMuon

SHAPES = [(192, 192)] * 32 + [(512, 192)] * 16 + [(192, 512)] * 8


def step_of(kind: type[torch.optim.Optimizer]) -> torch.optim.Optimizer:
    weights = [
        torch.nn.Parameter(torch.linspace(-1, 1, r * c).view(r, c).cos()) for r, c in SHAPES
    ]
    for weight in weights:
        weight.grad = weight.detach().sin()
    return kind(weights, lr=1e-4, weight_decay=0.0)


def main() -> None:
    torch.set_num_threads(1)
    own, stacked = step_of(torch.optim.Muon), step_of(StackedMuon)
    ours, theirs = in_turns([stacked.step, own.step], rounds=15)
    print(f"Muon, torch's over stacked: {theirs.over(ours):.2f} ({ours.median * 1e3:.0f} ms)")
    task = arithmetic_task(unmask.preset("arithmetic").model)
    task.batch(0, 0, 64)
    start = time.perf_counter()
    for step in range(8):
        task.batch(1, 2000 + step, 256)
    print(f"a lesson takes {(time.perf_counter() - start) / 8 / 256 * 1e3:.2f} ms")


if __name__ == "__main__":
    main()
