"""Opening a model, wherever it lies and of whatever kind."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from unmask.dllm.folder import dtype_of_files, read_config
from unmask.errors import ConfigError
from unmask.esm.folder import is_esm
from unmask.files.model_folder import find_folder
from unmask.files.tensors import CONFIG_FILE, read_json
from unmask.models.chat import ChatModel, load_chat_model
from unmask.models.text import TextModel
from unmask.models.text_folder import read_text_network


def load(
    name: str | Path = "text8s",
    *,
    dtype: torch.dtype | str | None = None,
    device: str = "auto",
) -> TextModel | ChatModel:
    """A shipped model by name, a model folder by path, or a model of the Hugging Face hub by id.

    What config.json says decides whether it is a `TextModel` or a `ChatModel`. Opening a model
    runs no code of its own. `dtype` is a type of torch or its name; None is float32, or of a large
    model with more than a billion weights the type of its files. `device` is a device of torch, or
    "auto": the GPU if there is one. What was chosen is said on standard error, where it is not
    float32 on the CPU.

    Raises:
        CheckpointError: there is no such model, or its files are damaged.
        ConfigError: there is no such type, or no such device here.
    """
    chosen, place = None if dtype is None else checked_dtype(dtype), checked_device(device)
    if not isinstance(name, str | Path):
        raise ConfigError(
            f"a model is named by a text or a path, got {type(name).__name__}. Write "
            'unmask.load("text8s"), or the path of a folder.'
        )
    name = os.path.expanduser(name)
    folder = find_folder(name)
    if is_chat_model(read_json(folder / CONFIG_FILE)):
        kind = chosen or usual_dtype(folder)
        _say(name, kind, place, dtype is None, device == "auto")
        return load_chat_model(folder, name, dtype=kind, device=place)
    kind = chosen or torch.float32
    network, vocabulary, lengths = read_text_network(folder, kind, place)
    _say(name, kind, place, dtype is None, device == "auto")
    return TextModel(network, vocabulary, name, lengths)


def is_chat_model(values: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a large model, which answers questions."""
    return "model_type" in values and not is_esm(values)


MANY = 10**9
"""Weights, above which float32 would be twice what a machine has room for."""


def usual_dtype(folder: Path) -> torch.dtype:
    """float32; of a large model of more than a billion weights that of its files."""
    config = read_config(folder)
    is_large = config.num_weights > MANY
    return dtype_of_files(folder, config) if is_large else torch.float32


def _say(name: str, dtype: torch.dtype, place: str, any_dtype: bool, any_device: bool) -> None:
    """What was chosen where nothing was asked for, if it is not what is usual."""
    if (any_dtype and dtype != torch.float32) or (any_device and place != "cpu"):
        kind = str(dtype).removeprefix("torch.")
        print(f"unmask: {name} in {kind} on {place}", file=sys.stderr)


_DTYPES = ("float32", "bfloat16", "float16", "float64")


def checked_dtype(dtype: torch.dtype | str) -> torch.dtype:
    """A type of torch, by name perhaps. Raises `ConfigError`."""
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise ConfigError(
            f"dtype {dtype!r:.40} is none that models are opened in. Choose one of: "
            f"{', '.join(_DTYPES)}."
        )
    chosen: torch.dtype = getattr(torch, name)
    return chosen


def checked_device(device: str) -> str:
    """A device that is there. Raises `ConfigError`."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device)
        torch.empty(0, device=kind)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"there is no device {device!r:.40} here ({reason}). Choose cpu, cuda or auto."
        ) from error
    if kind.type == "meta":
        raise ConfigError("the device 'meta' holds no numbers. Choose cpu, cuda or auto.")
    return "cpu" if kind.type == "cpu" else str(kind)


def load_text_model(
    name: str = "text8s", *, dtype: torch.dtype | None = None, device: str = "auto"
) -> TextModel:
    """`load`, for what only models of text can do.

    Raises:
        CheckpointError: there is no such model, or its files are damaged.
        ConfigError: it is a large model.
    """
    model = load(name, dtype=dtype, device=device)
    if isinstance(model, ChatModel):
        raise ConfigError(
            f"{name} is a large model, which answers questions; this is for models of text, "
            "such as text8s. Ask it with `unmask generate MODEL --chat QUESTION`."
        )
    return model
