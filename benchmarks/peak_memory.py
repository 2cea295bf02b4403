"""The most memory that generating takes, at the widest windows of a generation.

    python benchmarks/peak_memory.py owt-paper --batch-size 64

Claim: with 64 sequences of 1,024 tokens and a vocabulary of 50,257 it stays below 4 GB in bf16,
weights included. One step of the sampler at the end of the sequences, where the cosine window is
at its widest; random weights. No tensor of B x D x V is made: it would take 6.6 GB in bf16.
"""

import argparse
import time

import torch

from unmask.draws import SeededDraws
from unmask.network.hybrid import HybridTransformer
from unmask.process.windows import Cosine
from unmask.recipes.recipe import preset
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.speed import memory
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.machine import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="owt-paper")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--dtau", type=float, default=0.04)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="bf16")
    options = parser.parse_args()
    keep_freed_memory()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    network = HybridTransformer(preset(options.recipe).model).to(dtype).eval()
    config, window = network.config, Cosine(options.dtau)
    width = largest_last_window(window, config.length)
    given_ids = torch.zeros(options.batch_size, config.length, dtype=torch.long)
    given_ids[:, config.length - width :] = config.mask_id
    draws = SeededDraws(range(options.batch_size))
    sampler = SelfSpeculative(window=window)
    state = sampler.init(given_ids, mask_id=config.mask_id, draws=draws)
    memory.restart_peak(network.device)
    before, start = memory.peak_bytes(network.device), time.perf_counter()
    _, info = sampler.step(state, network, draws)
    peak = memory.peak_bytes(network.device)
    print(machine())
    print(
        f"{options.recipe}, {options.precision}: {options.batch_size} sequences of "
        f"{config.length} tokens, V = {config.vocab_size}, a window of {width}, "
        f"{int(info.tail.passes.max())} tail passes, {time.perf_counter() - start:.0f} s\n"
        f"peak {peak / 1e9:.2f} GB, {before / 1e9:.2f} GB of them before the step"
    )


def largest_last_window(window: Cosine, length: int) -> int:
    """The widest window that reaches the end of a sequence."""
    sizes = [int(window.size(torch.tensor(length - left), length)) for left in range(1, length)]
    return max(left for left, size in enumerate(sizes, start=1) if size == left)


if __name__ == "__main__":
    main()
