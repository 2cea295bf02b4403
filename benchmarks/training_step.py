"""A training step of the hybrid network against one of a plain network of the same depth.

    python benchmarks/training_step.py text8-small text8-noncausal

Claim: the tail, with its second loss, makes a step at most a tenth dearer. Eleven non-causal and
one causal block against twelve non-causal ones; forward, backward and optimiser, in turns.
"""

import argparse

import torch

from unmask.network.hybrid import HybridTransformer
from unmask.recipes.recipe import Recipe, preset
from unmask.speed.allocator import keep_freed_memory
from unmask.speed.machine import machine
from unmask.speed.paired import in_turns
from unmask.training import optimizers
from unmask.training.objective import corrupt, losses


def step_of(recipe: Recipe, is_compiled: bool):
    """A function that takes one training step."""
    model = HybridTransformer(recipe.model)
    parts = optimizers.build(model, recipe.optimizer)
    optimizers.set_lr_share(parts, 0.01)
    if is_compiled:
        model.compile()
    shape = (recipe.trainer.batch_size, recipe.model.length)
    token_ids = torch.arange(shape[0] * shape[1]).view(shape) * 7919 % recipe.model.vocab_size

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = losses(model, token_ids, corrupt(0, *shape))
        loss.total().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in parts:
            part.step()
            part.zero_grad()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hybrid", nargs="?", default="text8-small")
    parser.add_argument("plain", nargs="?", default="text8-noncausal")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler")
    options = parser.parse_args()
    keep_freed_memory()
    names = (options.hybrid, options.plain)
    timings = in_turns(
        [step_of(preset(name), options.compile) for name in names], rounds=options.rounds
    )
    print(machine())
    for name, timing in zip(names, timings, strict=True):
        print(f"{name:<20} {timing.median:.3f} s a step")
    print(f"ratio {timings[0].over(timings[1]):.3f}")


if __name__ == "__main__":
    main()
