"""Trunk passes, or training steps, under two settings of a process at a time.

    python benchmarks/trunk_pass.py text8s-any --precision bf16
    python benchmarks/trunk_pass.py text8s-any --precision bf16 --training --batch-sizes 16

Claims: freed memory kept, a pass of several sequences takes about two thirds of the time; with
denormal numbers taken for zero a pass of a trained network takes no longer, on many processors
less; in bf16 the explicit steps of attention are the faster ones without AMX, the fused kernel
with it. Half of each sequence is masked. Each setting is a process of its own, since it cannot be
taken back; the processes take turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

import torch

import unmask
from unmask.network import attention
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.denormals import flush_denormals
from unmask.speed.machine import machine
from unmask.training.objective import corrupt, losses

PAIRS = (("left", "kept"), ("kept", "flushed"), ("explicit", "fused"))
TEXT = "the history of the world is the history of those who wrote it down and of what was kept "


def choose(setting: str) -> None:
    """Every setting but `left` keeps memory, and those of attention flush denormals too."""
    if setting != "left":
        assert keep_freed_memory(), "there is no glibc here, or the environment has chosen"
    if setting not in ("left", "kept"):
        assert flush_denormals(), "this processor has no such mode"
    if setting in ("explicit", "fused"):
        attention._EXPLICIT_DTYPES = {torch.bfloat16} if setting == "explicit" else set()


def milliseconds(options: argparse.Namespace) -> list[float]:
    """Of a trunk pass or step, per sequence, for each number of sequences: medians of nine."""
    is_bf16 = options.precision == "bf16"
    dtype = torch.bfloat16 if is_bf16 and not options.training else torch.float32
    model = unmask.load(options.model, dtype=dtype)
    network, length = model.network, model.network.config.length
    text_ids = torch.as_tensor(model.encode((TEXT * length)[:length])).flatten()
    clock = time.process_time if options.processor_time else time.perf_counter
    found = []
    for batch_size in options.batch_sizes:
        token_ids = torch.stack([text_ids.roll(number) for number in range(batch_size)])
        masked_ids = token_ids.where(torch.arange(length) % 2 > 0, network.vocab_size)
        positions = torch.zeros(batch_size, 1, dtype=torch.long)
        corruption = corrupt(0, batch_size, length)
        seconds = []
        for _ in range(10):
            start = clock()
            if options.training:
                with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
                    loss = losses(network, token_ids, corruption)
                loss.total().backward()
                network.zero_grad()
            else:
                network.draft(masked_ids, positions)
            seconds.append(clock() - start)
        found.append(1e3 * statistics.median(seconds[1:]) / batch_size)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="text8s-any")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--training", action="store_true", help="forward and backward of a step")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="time of the processor, not of the clock: for one thread, beside other work",
    )
    parser.add_argument("--pairs", nargs="+", default=["/".join(pair) for pair in PAIRS])
    parser.add_argument("--worker", help="measure one setting, here")
    options = parser.parse_args()
    if options.worker:
        choose(options.worker)
        print(json.dumps(milliseconds(options)))
        return
    print(f"{machine()}, {options.precision}")
    print("| settings | sequences | ms each | ms each | ratio |\n| --- | --- | --- | --- | --- |")
    for pair in options.pairs:
        found: dict[str, list[list[float]]] = {setting: [] for setting in pair.split("/")}
        for _ in range(options.rounds):
            for setting in found:
                command = [sys.executable, *sys.argv, "--worker", setting]
                answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                found[setting].append(json.loads(answer))
        for column, batch_size in enumerate(options.batch_sizes):
            first, second = ([row[column] for row in rows] for rows in found.values())
            ratio = statistics.median(a / b for a, b in zip(first, second, strict=True))
            print(
                f"| {pair} | {batch_size} | {statistics.median(first):.2f} "
                f"| {statistics.median(second):.2f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
