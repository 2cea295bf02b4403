"""The network that a config describes."""

from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.network.stream import StreamTransformer


def new_hybrid(config: HybridConfig, seed: int = 0) -> HybridTransformer | StreamTransformer:
    """With new weights, drawn from `seed` alone."""
    return (StreamTransformer if config.is_causal else HybridTransformer)(config, seed)
