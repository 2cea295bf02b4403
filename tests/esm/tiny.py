"""A protein language model small enough to be made in every test that wants one."""

import torch

from unmask.draws import weight_generator
from unmask.esm.config import EsmConfig
from unmask.esm.network import EsmNetwork
from unmask.network.adapted import AdaptedNetwork, TailConfig

TINY = EsmConfig(width=16, hidden=32, num_heads=2, num_blocks=2, max_positions=34)


def tiny_esm(seed: int = 0, **changes) -> EsmNetwork:
    """Random weights, large enough that residues differ."""
    network = EsmNetwork(EsmConfig(**vars(TINY) | {"token_dropout": True} | changes))
    return shaken(network, seed).requires_grad_(False)


def tiny_adapted(seed: int = 0, **changes) -> AdaptedNetwork:
    """The same with a tail that says something else than its draft."""
    return shaken(AdaptedNetwork(tiny_esm(seed, **changes), TailConfig()), seed + 1)


def shaken(network, seed: int):
    generator = weight_generator(seed)
    for parameter in network.parameters():
        parameter.data = torch.empty_like(parameter.data).normal_(std=0.4, generator=generator)
    return network.double().eval()
