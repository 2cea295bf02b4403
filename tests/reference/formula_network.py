"""A tiny large model whose weights are a formula, so that whoever has it can check us.

The k-th parameter, in the order of `named_parameters`, has at its n-th entry

    s (frac(43758.5453 sin(12.9898 n + 78.233 (k + 1) + seed)) - 1/2)     frac(x) = x - floor(x)

with s = 3.5 / sqrt(columns) for matrices, `sharpness` times that for the unembedding, so that its
predictions are surer; norms have 1 added to 0.2 of it.
"""

import torch

from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork


def formula_network(family: str, seed: int = 0, sharpness: float = 2.0) -> DllmNetwork:
    """In float64, of 43 tokens of which 42 is the mask's."""
    config = DllmConfig(
        family=family, vocab_size=43, width=32, hidden=48, num_blocks=2, num_heads=4,
        num_key_heads=4 if family == "llada" else 2, length=128, mask_token_id=42, eos_token_id=41,
    )  # fmt: skip
    network = DllmNetwork(config).double().eval()
    for number, (name, parameter) in enumerate(network.named_parameters()):
        n = torch.arange(parameter.numel(), dtype=torch.float64)
        wild = 43758.5453 * torch.sin(12.9898 * n + 78.233 * (number + 1) + seed)
        noise = (wild - wild.floor() - 0.5).view_as(parameter)
        if parameter.ndim == 2:
            sharp = sharpness if name.startswith("unembedding") else 1.0
            parameter.data = 3.5 / parameter.shape[1] ** 0.5 * sharp * noise
        else:
            parameter.data = 0.2 * noise + float("norm" in name)
    return network.requires_grad_(False)
