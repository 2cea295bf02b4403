"""Tiny hybrid networks in which nothing is zero, equal or symmetric by initialisation."""

import itertools
from dataclasses import replace
from typing import get_args

from torch import nn

from unmask.draws import weight_generator
from unmask.network.config import Heads, HybridConfig, TailInputs, TailRotary
from unmask.network.hybrid import HybridTransformer

TINY = HybridConfig(
    vocab_size=5,
    length=8,
    width=16,
    num_heads=2,
    num_trunk_blocks=2,
    num_tail_blocks=1,
    mlp_ratio=2.0,
)

_CHOICES = {
    "tail_inputs": get_args(TailInputs),
    "tail_rotary": get_args(TailRotary),
    "first_target": ("draft", "start-track"),  # the third is of causal trunks
    "heads": get_args(Heads),
    "output_residual": (True, False),
    "num_tail_blocks": (1, 2),
}

ABLATIONS = [
    replace(TINY, **dict(zip(_CHOICES, values, strict=True)))
    for values in itertools.product(*_CHOICES.values())
]
"""Every combination of the choices that change what the tail computes."""


def ablation_name(config: HybridConfig) -> str:
    """A test id: "token-crossed-draft-tied-True-1"."""
    return "-".join(str(getattr(config, name)) for name in _CHOICES)


def random_network(config: HybridConfig = TINY, seed: int = 0) -> HybridTransformer:
    """float64, every parameter random: the projections that start at zero, and the norms, too."""
    network = HybridTransformer(config).double().eval()
    generator = weight_generator(seed)
    for name, parameter in network.named_parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter, mean=1.0, std=0.3, generator=generator)
        else:
            std = 1.0 if "embedding" in name else parameter.shape[1] ** -0.5
            nn.init.normal_(parameter, std=std, generator=generator)
    return network
