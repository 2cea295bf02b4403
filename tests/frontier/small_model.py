"""A network that knows nothing, with the alphabet of text8: quick to sample."""

from dataclasses import replace
from pathlib import Path

from unmask.files.model_folder import POLICY_FOLDER
from unmask.models.load import load
from unmask.models.text import TextModel
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.network.policy import PolicyConfig, PolicyNetwork, write_policy
from unmask.vocabularies.characters import Characters, text8

CONFIG = HybridConfig(length=24, width=8, num_heads=1, num_trunk_blocks=2, mlp_ratio=1.0)


TINY_WORDS = frozenset(["a", "b", "ab", "bb"])
"""Some of the words that a tiny model writes."""


def tiny_model() -> TextModel:
    """For what measures it many times over: eight letters, of which a third are spaces."""
    codec = Characters(alphabet=" ab")
    config = replace(CONFIG, length=8, vocab_size=codec.vocab_size)
    return TextModel(HybridTransformer(config), codec, "tiny")


def small_model(seed: int = 0) -> TextModel:
    return TextModel(HybridTransformer(CONFIG, seed=seed), text8(), "small")


def small_model_with_policy(folder: Path) -> TextModel:
    """On disk, with a policy that is new: it reveals each position with probability 1/4."""
    small_model().save(folder)
    config = PolicyConfig(length=CONFIG.length, width=8, num_heads=1)
    write_policy(folder / POLICY_FOLDER, PolicyNetwork(config))
    return load(str(folder))
