"""Drawing tokens at the vocabulary of a large model: the fast ways over their slow twins.

    python benchmarks/drawing.py

Claim: a draw, temperature 0, entropies, and top-p where predictions are sure cost a small part of
what tables of float64 and a sort of every token cost. Predictions are logits spread by a normal
distribution: at a deviation of 8 about fifty tokens hold 95 %, at 3 about thirteen thousand.
"""

import argparse
from collections.abc import Callable

import torch

from unmask.draws import SeededDraws, weight_generator
from unmask.samplers.common import scores
from unmask.speculation import filters
from unmask.speculation.filters import Filter
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.machine import machine
from unmask.speed.paired import in_turns


def setting(module: object, name: str, value: int, call: Callable[[], object]) -> Callable:
    """The call with a constant of a module set to something else."""

    def changed() -> None:
        before = getattr(module, name)
        setattr(module, name, value)
        call()
        setattr(module, name, before)

    return changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab-size", type=int, default=126_464)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--window", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    keep_freed_memory()
    shape = (options.batch_size, options.window, options.vocab_size)
    logits = torch.randn(shape, generator=weight_generator(0))
    log_probs, unsure = ((spread * logits).log_softmax(dim=-1) for spread in (8, 3))
    where = torch.ones(shape[:2], dtype=torch.bool)
    greedy, nucleus = Filter(temperature=0.0), Filter(top_p=0.95)
    everything = options.vocab_size * where.numel()

    def draws() -> SeededDraws:
        return SeededDraws(range(options.batch_size))

    def by_temporaries() -> object:
        """The inverse of the distribution, a new table for every step of it."""
        exact = log_probs.double()
        cdf = (exact - exact.amax(dim=-1, keepdim=True)).exp().cumsum(dim=-1)
        threshold = draws().uniform(where) * cdf[..., -1]
        return (cdf <= threshold[..., None]).sum(dim=-1).clamp(max=options.vocab_size - 1)

    assert torch.equal(by_temporaries(), draws().categorical(log_probs, where))
    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "a draw": (by_temporaries, lambda: draws().categorical(log_probs, where)),
        "temperature 0": (
            lambda: draws().categorical(greedy(log_probs), where),
            lambda: greedy.draw(log_probs, where, draws()),
        ),
        "entropy": (
            setting(scores, "_NUMBERS_AT_ONCE", everything, lambda: scores.entropy(log_probs)),
            lambda: scores.entropy(log_probs),
        ),
        "top-p 0.95, sure": (
            setting(filters, "_NUM_LIKELY", options.vocab_size, lambda: nucleus(log_probs)),
            lambda: nucleus(log_probs),
        ),
        "top-p 0.95, unsure": (
            setting(filters, "_NUM_LIKELY", options.vocab_size, lambda: nucleus(unsure)),
            lambda: nucleus(unsure),
        ),
    }
    print(f"{machine()}, {options.batch_size} x {options.window}, V = {options.vocab_size}")
    print("| what | slow twin, ms | ms | ratio |\n| --- | --- | --- | --- |")
    for name, pair in ways.items():
        slow, fast = in_turns(
            [lambda call=call: [call()] and None for call in pair], rounds=options.rounds
        )
        print(
            f"| {name} | {1e3 * slow.median:.1f} | {1e3 * fast.median:.1f} "
            f"| {slow.over(fast):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
