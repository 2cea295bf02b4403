"""Tokens per second with sequences of many lengths: static batches against continuous batching.

    python benchmarks/continuous_batching.py text8s-any --precision bf16

Claim: with lengths of 32 to 256 continuous batching gives 1.4 times the tokens per second. The
same requests in the same order, as many at once. A static batch is padded to its longest
sequence, and the next begins when all of it is finished. In the usual kind sequences that are
finished early stay in the batch until its end; in a shrinking one they leave it and cost nothing
while it waits. The variants take turns, and make the same samples.

With cosine windows sequences of all lengths take about as many passes; what is gained is the
padding. With `--fixed 8` long ones take more, and static batches thin out as well.
"""

import argparse
import statistics

import torch

import unmask
from unmask.network.blocks import Layout
from unmask.samplers.engine import Engine, Request
from unmask.shapes import PAD
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.machine import machine
from unmask.speed.paired import in_turns


class Padded:
    """The same predictor, but that its trunk works on padding, as on a GPU.

    With `num_rows`, also on the place of sequences that are no longer there.
    """

    def __init__(self, network, num_rows: int = 0) -> None:
        self.network, self.num_rows = network, num_rows

    def __getattr__(self, name: str):
        return getattr(self.network, name)

    def draft(self, token_ids, positions):
        network, is_real = self.network, token_ids != PAD
        rotation = network.rotary.by(torch.arange(token_ids.shape[1]))
        layout = network._padded_layout(rotation, is_real)
        if is_real.all():
            layout = Layout(rotation, rotation)

        def hidden_states(token_ids):
            num_gone = max(0, self.num_rows - len(token_ids))
            rows = torch.arange(len(token_ids))
            rows = torch.cat([rows, rows[:1].expand(num_gone)])
            visible = None if layout.visible is None else layout.visible[rows]
            whole = Layout(rotation, rotation, visible)
            return network._trunk(token_ids[rows], whole)[: len(token_ids)]

        network.hidden_states = hidden_states
        try:
            return network.draft(token_ids, positions)
        finally:
            del network.hidden_states


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="text8s-any")
    parser.add_argument("--precision", choices=["float32", "bf16"], default="float32")
    parser.add_argument("--num-requests", type=int, default=96)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--buckets", type=int, nargs="+", default=[0, 64, 128])
    parser.add_argument("--fixed", type=int, default=0, help="windows of so many tokens")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    keep_freed_memory()
    dtype = torch.bfloat16 if options.precision == "bf16" else torch.float32
    model = unmask.load(options.model, dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(32, 257, (options.num_requests,), generator=generator).tolist()
    window = unmask.Fixed(options.fixed) if options.fixed else unmask.Cosine(0.04)
    sampler = unmask.SelfSpeculative(window=window)
    requests = [
        Request(
            given_ids=torch.full((length,), model.network.vocab_size), sampler=sampler, seed=seed
        )
        for seed, length in enumerate(lengths)
    ]

    def static(num_rows: int) -> list:
        results = []
        for first in range(0, len(requests), options.slots):
            engine = Engine(Padded(model.network, num_rows), num_slots=options.slots)
            results += engine.run(requests[first : first + options.slots])
        return results

    def continuous(bucket: int) -> list:
        return list(Engine(model.network, num_slots=options.slots, bucket=bucket).run(requests))

    variants = {"static": lambda: static(options.slots), "static, shrinking": lambda: static(0)}
    for bucket in options.buckets:
        variants[f"continuous, bucket {bucket}"] = lambda bucket=bucket: continuous(bucket)
    expected = sorted((r.request.seed, r.token_ids.tolist()) for r in static(0))
    for name, run in variants.items():
        got = sorted((r.request.seed, r.token_ids.tolist()) for r in run())
        num_same = sum(a == b for a, b in zip(got, expected, strict=True))
        print(f"{name}: {num_same} of {len(got)} samples as in static batches", flush=True)
    timings = in_turns([lambda run=run: run() and None for run in variants.values()],
                       rounds=options.rounds)  # fmt: skip
    print(f"{machine()}\n{len(requests)} requests, mean length {statistics.mean(lengths):.0f}")
    for name, timing in zip(variants, timings, strict=True):
        print(
            f"{name:<24} {sum(lengths) / timing.median:>7,.0f} tokens/s, "
            f"{timings[0].over(timing):.2f} times static, {timings[1].over(timing):.2f} shrinking"
        )


if __name__ == "__main__":
    main()
