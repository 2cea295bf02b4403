"""The network that a config describes."""

from typing import TypeAlias

from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.network.stream import StreamTransformer

HybridNetwork: TypeAlias = HybridTransformer | StreamTransformer
"""A network of a `HybridConfig`, whatever the reach of its trunk."""


def new_hybrid(config: HybridConfig, seed: int = 0) -> HybridNetwork:
    """With new weights, drawn from `seed` alone."""
    return (StreamTransformer if config.is_causal else HybridTransformer)(config, seed)
