"""What a tail pass costs: over a window against over all positions, and against a trunk pass.

    python benchmarks/tail_pass.py

Claims: at D = 1024 and a window of 32 a tail pass costs at most an eighth of one over all
positions; in networks of 11 + 1 blocks, with windows of at most 64, it costs at most a twentieth
of a trunk pass. Half of the sequence is revealed. The first verification after a trunk pass
fills the cache with the keys and values of all revealed tokens; later ones only add to it. A pass
in the middle of four rounds is their mean. Weights are random: they do not change the cost.
"""

import argparse

import torch

from unmask.draws import SeededDraws
from unmask.network.hybrid import HybridTransformer
from unmask.process import orders
from unmask.process.masking import mask_after
from unmask.recipes.recipe import preset
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.machine import machine
from unmask.speed.paired import in_turns

ROUNDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=["text8-small", "owt-paper"])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--windows", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--precision", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    keep_freed_memory()
    print(f"{machine()}, {options.precision}")
    print("| network | D | batch | window | trunk ms | tail ms: first, later, mean of 4 | all "
          "positions ms | all / mean | mean / trunk |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    for name in options.recipes:
        network = HybridTransformer(preset(name).model).to(dtype).eval()
        for batch_size in options.batch_sizes:
            for window in options.windows:
                print(row(name, network, batch_size, window, options.rounds), flush=True)


def row(name: str, network: HybridTransformer, batch_size: int, window: int, rounds: int) -> str:
    config = network.config
    length, first = config.length, torch.full((batch_size,), config.length // 2)
    order = orders.random(SeededDraws(range(batch_size)), length)
    filled_ids = torch.zeros(batch_size, length, dtype=torch.long)
    masked_ids = mask_after(filled_ids, order, first, config.mask_id)
    positions = order[:, length // 2 : length // 2 + window]
    asked = {"filled_ids": filled_ids, "order": order}
    fresh = network.draft(masked_ids, positions)
    begun = network.draft(masked_ids, positions)
    network.verify(begun, **asked, first=first, num_columns=window)

    def trunk() -> None:
        network.draft(masked_ids, positions)

    def first_tail() -> None:
        forget(fresh)
        network.verify(fresh, **asked, first=first, num_columns=window)

    def later_tail() -> None:
        network.verify(begun, **asked, first=first, num_columns=window)

    def all_positions() -> None:
        forget(fresh)
        network.verify(fresh, **asked, first=first * 0, num_columns=length)

    timings = in_turns([trunk, first_tail, later_tail, all_positions], rounds=rounds)
    of_trunk, of_first, of_later, of_all = (1e3 * timing.median for timing in timings)
    mean = (of_first + (ROUNDS - 1) * of_later) / ROUNDS
    return (
        f"| {name} | {length} | {batch_size} | {window} | {of_trunk:.1f} | {of_first:.2f}, "
        f"{of_later:.2f}, {mean:.2f} | {of_all:.1f} | {of_all / mean:.1f} "
        f"| {mean / of_trunk:.3f} |"
    )


def forget(draft) -> None:
    """As after a new trunk pass: nothing is in the cache of the tail."""
    draft.context.tail_cache = []
    draft.context.num_cached = torch.zeros_like(draft.context.num_cached)


if __name__ == "__main__":
    main()
