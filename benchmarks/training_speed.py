"""Tokens per second of a training step, one choice changed at a time.

    python benchmarks/training_speed.py                  text8-small on this machine

Claim: at this size on a CPU the explicit attention, LayerNorm, relu(x)^2 and torch.compile each
save time over the usual first choices. The variants take turns, so a drift of the machine's
speed touches all alike; the medians of the steps are compared.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from unmask.network import attention
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.recipes.recipe import Recipe, preset
from unmask.training import optimizers
from unmask.training.objective import corrupt, losses


def step_of(
    recipe: Recipe, config: HybridConfig, *, compiled: bool = False, rms: bool = False
) -> Callable[[int], None]:
    """A function that takes one training step of a network."""
    model = HybridTransformer(config)
    if rms:
        replace_norms(model)
    parts = optimizers.build(model, recipe.optimizer)
    optimizers.set_lr_share(parts, 0.01)
    if compiled:
        model.compile()
    shape = (recipe.trainer.batch_size, config.length)
    token_ids = torch.arange(shape[0] * shape[1]).view(shape) * 7919 % config.vocab_size

    def step(n: int) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = losses(model, token_ids, corrupt(n, *shape))
        loss.total().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in parts:
            part.step()
            part.zero_grad()

    return step


def replace_norms(model: nn.Module) -> None:
    """RMSNorm in the place of every LayerNorm."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.LayerNorm):
                setattr(module, name, nn.RMSNorm(child.normalized_shape))


@contextmanager
def fused_attention(is_on: bool):
    """Attention by `scaled_dot_product_attention`, whatever the shape."""
    before = attention._MOST_SCORES
    attention._MOST_SCORES = 0 if is_on else before
    try:
        yield
    finally:
        attention._MOST_SCORES = before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="text8-small")
    parser.add_argument("--rounds", type=int, default=5, help="steps of each variant")
    parser.add_argument("--with-compile", action="store_true", help="needs a C++ compiler")
    options = parser.parse_args()

    recipe = preset(options.recipe)
    config = recipe.model
    adamw = replace(recipe, optimizer=replace(recipe.optimizer, matrices="adamw", matrix_lr=1e-3))
    gelu = replace(config, activation="gelu")
    silu = replace(config, activation="silu")
    variants = {
        "first choices: SDPA, RMSNorm, tanh-GELU": (True, step_of(recipe, gelu, rms=True)),
        "  explicit attention": (False, step_of(recipe, gelu, rms=True)),
        "  ... and LayerNorm": (False, step_of(recipe, gelu)),
        "  ... and SiLU for GELU": (False, step_of(recipe, silu)),
        "  ... and relu(x)^2 for GELU": (False, step_of(recipe, config)),
        "  ... and AdamW for Muon": (False, step_of(adamw, config)),
    }
    if options.with_compile:
        compiled = step_of(recipe, config, compiled=True)
        variants["relu(x)^2, Muon, torch.compile"] = (False, compiled)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for n in range(options.rounds + 1):
        for name, (is_fused, step) in variants.items():
            with fused_attention(is_fused):
                start = time.perf_counter()
                step(n)
                seconds[name].append(time.perf_counter() - start)

    num_tokens = recipe.trainer.batch_size * config.length
    print(
        f"{options.recipe}, {num_tokens:,} tokens per step, {torch.get_num_threads()} threads, "
        f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, "
        f"torch {torch.__version__}"
    )
    first = None
    for name, values in seconds.items():
        median = statistics.median(values[1:])  # the first warms up
        first = first or median
        rate = num_tokens / median
        print(f"{name:<42} {median:6.3f} s  {rate:8,.0f} tokens/s  {first / median:.2f}x")


if __name__ == "__main__":
    main()
