"""The most memory that generating takes, at the widest windows of a generation.

    python benchmarks/peak_memory.py owt-paper --batch-size 64

Claim: with 64 sequences of 1,024 tokens and a vocabulary of 50,257 it stays below 4 GB in bf16,
weights included. One step of the sampler at the end of the sequences, where the cosine window is
at its widest; random weights. No tensor of B x D x V is made: it would take 6.6 GB in bf16. With
--whole all of a generation by the engine, which takes half an hour for one block of the network
(--blocks 1) on one core.
"""

import argparse
import time
from dataclasses import replace

import torch

from unmask.draws import SeededDraws
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.process.windows import Cosine
from unmask.recipes.recipe import preset
from unmask.samplers.engine import Engine, Request
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
    parser.add_argument("--whole", action="store_true", help="Generate, not one step alone.")
    parser.add_argument("--blocks", type=int, default=None, help="Of the trunk.")
    options = parser.parse_args()
    keep_freed_memory()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    shape = preset(options.recipe).model
    assert isinstance(shape, HybridConfig), "a recipe of a hybrid network"
    if options.blocks is not None:
        shape = replace(shape, num_trunk_blocks=options.blocks)
    network = HybridTransformer(shape).to(dtype).eval()
    if options.whole:
        generate(network, options.batch_size)
        return
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


def generate(network: HybridTransformer, batch_size: int) -> None:
    """All of as many sequences, as the engine makes them."""
    config = network.config
    memory.restart_peak(network.device)
    start, given_ids = time.perf_counter(), torch.full((config.length,), config.mask_id)
    engine = Engine(network, num_slots=batch_size)
    wanted = (
        Request(given_ids=given_ids, sampler=SelfSpeculative(), seed=n) for n in range(batch_size)
    )
    num_done = sum(1 for _ in engine.run(wanted))
    print(machine())
    print(
        f"{num_done} sequences of {config.length} tokens, V = {config.vocab_size}, "
        f"{config.num_blocks} blocks, {time.perf_counter() - start:.0f} s; peak "
        f"{memory.peak_bytes(network.device) / 1e9:.2f} GB"
    )


def largest_last_window(window: Cosine, length: int) -> int:
    """The widest window that reaches the end of a sequence."""
    sizes = [int(window.size(torch.tensor(length - left), length)) for left in range(1, length)]
    return max(left for left, size in enumerate(sizes, start=1) if size == left)


if __name__ == "__main__":
    main()
