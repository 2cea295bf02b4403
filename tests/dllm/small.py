"""A large model, very small: random weights of the published layouts."""

import torch

from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork, new_network
from unmask.draws import weight_generator

LLADA = DllmConfig(rope_theta=500_000.0)
DREAM = DllmConfig(family="Dream", num_key_heads=2, rope_theta=1e6, norm_eps=1e-6)
CONFIGS = {"llada": LLADA, "Dream": DREAM}


def random_network(config: DllmConfig, *, seed: int = 0) -> DllmNetwork:
    """In float64, with weights far from their beginning: norms and biases too."""
    network, generator = new_network(config), weight_generator(seed)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.add_(0.3 * noise if parameter.ndim == 1 else 0.15 * noise)
    return network.double().eval().requires_grad_(False)
