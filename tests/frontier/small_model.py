"""A network that knows nothing, with the alphabet of text8: quick to sample."""

from unmask.data.characters import text8
from unmask.model import Model
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer

CONFIG = HybridConfig(length=24, width=8, num_heads=1, num_trunk_blocks=2, mlp_ratio=1.0)


def small_model(seed: int = 0) -> Model:
    return Model(HybridTransformer(CONFIG, seed=seed), text8(), "small")
