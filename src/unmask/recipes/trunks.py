"""The model that a tail is trained for: a large one, or one that drafts text or sequences."""

from typing import Any

from unmask.errors import ConfigError
from unmask.models.chat import ChatModel
from unmask.models.load import load
from unmask.models.text import TextModel
from unmask.models.text_folder import trunk_for_tail
from unmask.network.adapted import TailConfig
from unmask.recipes.recipe import Recipe

TrunkModel = ChatModel | TextModel


def load_trunk(recipe: Recipe, name: str) -> TrunkModel | None:
    """The model that a recipe's tail is for, which only such a recipe has.

    Raises:
        ConfigError: one is named and not wanted, wanted and not named, or has a tail of its own.
        CheckpointError: there is no such model, or its files are damaged.
    """
    is_wanted = isinstance(recipe.model, TailConfig)
    if is_wanted != bool(name):
        raise ConfigError(
            "--trunk is missing: name the model that the tail is for."
            if is_wanted
            else f"this recipe trains a whole network, and --trunk {name} has no place in it. "
            "Leave it out, or choose the recipe adapt."
        )
    if not is_wanted:
        return None
    model = load(name)
    trunk_network(model)
    return model


def trunk_network(model: TrunkModel | None) -> Any:
    """The network that drafts, or None. Raises `ConfigError` if it verifies by itself."""
    if model is None:
        return None
    if isinstance(model, ChatModel):
        return model.trunk
    return trunk_for_tail(model.network, model.name)
