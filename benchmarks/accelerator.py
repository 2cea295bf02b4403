"""Generating on a GPU: tokens per second, what the sampler adds, and the share of the peak.

    python benchmarks/accelerator.py --device cuda

The owt-paper network (V = 50,257, 1,024 tokens) with random weights in bf16: eager, compiled, and
compiled with CUDA graphs. Work is counted by hooks on the network, a multiply and an add as two;
the peak is what torch reaches here in a product of two square matrices of 8,192.

It runs on a CPU as well (`--device cpu --length 64 --batch-sizes 1 --modes eager`), where
docs/performance.md has better commands.
"""

import argparse
import time
from dataclasses import replace

import torch

import unmask
from unmask.network.hybrid import HybridTransformer
from unmask.speed.bench import generated, measure
from unmask.speed.machine import machine


def peak_flops(device: torch.device, size: int) -> float:
    """Floating-point operations per second of a large bf16 product."""
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(5):
        wait_for(device)
        start = time.perf_counter()
        left @ right
        wait_for(device)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flops_of_trunk(network: HybridTransformer, token_ids: torch.Tensor) -> int:
    """Of one trunk pass over a batch."""
    with unmask.count_work(network) as work:
        network.draft(token_ids, token_ids[:, :1] * 0)
    return work.trunk.flops


def prepared(config, mode: str, device: torch.device) -> HybridTransformer:
    network = HybridTransformer(config).to(device, torch.bfloat16).eval()
    if mode == "compiled":
        network.compile_trunk()
    elif mode == "graphs":
        network._compiled_trunk = torch.compile(network._eager_trunk, mode="reduce-overhead")
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--recipe", default="owt-paper")
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--modes", nargs="+", default=["eager", "compiled", "graphs"])
    parser.add_argument("--dtau", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peak-size", type=int, default=8192)
    options = parser.parse_args()
    device = torch.device(options.device)
    config = replace(unmask.preset(options.recipe).model, length=options.length, dropout=0.0)
    sampler = unmask.SelfSpeculative(window=unmask.Cosine(options.dtau))
    peak = peak_flops(device, options.peak_size)
    print(f"{machine()}\npeak {peak / 1e12:.2f} TFLOP/s")
    print("| mode | sequences | tokens/s | trunk ms | tail ms | over bare passes "
          "| share of the peak, trunk | peak GB |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for mode in options.modes:
        network = prepared(config, mode, device)
        for num_sequences in options.batch_sizes:
            shape = (num_sequences, options.length)
            token_ids = torch.full(shape, config.mask_id, device=device)
            flops = flops_of_trunk(prepared(config, "eager", device), token_ids)
            generated(network, sampler, length=options.length, num_sequences=num_sequences)
            row = measure(
                network,
                sampler,
                length=options.length,
                num_sequences=num_sequences,
                rounds=options.rounds,
            )
            print(
                f"| {mode} | {num_sequences} | {row.tokens_per_second:,.0f} "
                f"| {1e3 * row.trunk_seconds:.2f} | {1e3 * row.tail_seconds:.2f} "
                f"| {row.over_passes:.2f} | {flops / row.trunk_seconds / peak:.2f} "
                f"| {row.peak_memory_bytes / 1e9:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
