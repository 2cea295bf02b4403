"""What a pass costs from 128 to 4,096 tokens, and the memory that generating takes.

    python benchmarks/long_sequences.py --precision bf16

Claim: 4,096 tokens work in bounded memory. The network of text8-small with random weights, for
sequences of up to 4,096 tokens; as many at once as make 4,096 tokens together, so that what grows
with the length is attention alone: its products take 2 d L multiply-adds a token and block, all
the others 12 d^2.
"""

import argparse
from dataclasses import replace

import torch

import unmask
from unmask.network.hybrid import HybridTransformer
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.bench import measure
from unmask.speed.machine import machine

LONGEST = 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="text8-small")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--dtau", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keep_freed_memory()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    config = replace(unmask.preset(options.recipe).model, length=LONGEST)
    network = HybridTransformer(config).to(dtype).eval()
    sampler = unmask.SelfSpeculative(window=unmask.Cosine(options.dtau))
    print(f"{machine()}, {options.precision}, cosine windows of {options.dtau}")
    print("| length | sequences | us per token of a trunk pass | multiply-adds, over those at 128 "
          "| tail pass ms | over bare passes | peak MB |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- |")

    def products(length: int) -> float:
        return 12 * config.width**2 + 2 * config.width * length

    for length in (128, 256, 512, 1024, 2048, LONGEST):
        row = measure(
            network,
            sampler,
            length=length,
            num_sequences=LONGEST // length,
            rounds=options.rounds,
        )
        print(
            f"| {length} | {row.num_sequences} | {1e6 * row.trunk_seconds / LONGEST:.1f} "
            f"| {products(length) / products(128):.2f} | {1e3 * row.tail_seconds:.1f} "
            f"| {row.over_passes:.2f} | {row.peak_memory_bytes / 1e6:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
