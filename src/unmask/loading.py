"""Opening a model, wherever it lies and of whatever kind."""

import torch

from unmask.data.characters import Characters
from unmask.errors import CheckpointError, ConfigError
from unmask.large_model import LargeModel, load_large
from unmask.model import Model
from unmask.model_folder import find_folder
from unmask.network import checkpoint


def load(
    name: str = "text8s", *, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> Model | LargeModel:
    """A shipped model by name, a model folder by path, or a model of the Hugging Face hub by id.

    What config.json says decides whether it is a `Model` or a `LargeModel`. Opening a model runs
    no code of its own.

    Raises:
        CheckpointError: there is no such model, or its files are damaged.
    """
    folder = find_folder(name)
    if "model_type" in checkpoint.read_json(folder / checkpoint.CONFIG_FILE):
        return load_large(folder, name, dtype=dtype, device=device)
    network, codec = checkpoint.read_model(folder, dtype)
    try:
        return Model(network.to(device), Characters.from_json(codec), name)
    except ConfigError as error:
        raise CheckpointError(f"{folder / checkpoint.CONFIG_FILE}: {error}") from error


def load_text_model(
    name: str = "text8s", *, dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> Model:
    """`load`, for what only models of characters can do.

    Raises:
        CheckpointError: there is no such model, or its files are damaged.
        ConfigError: it is a large model.
    """
    model = load(name, dtype=dtype, device=device)
    if isinstance(model, LargeModel):
        raise ConfigError(
            f"{name} is a large model, which answers questions; this is for models of characters, "
            "such as text8s. Ask it with `unmask generate MODEL --chat QUESTION`."
        )
    return model
