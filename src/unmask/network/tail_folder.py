"""A folder with the causal tail of a network that drafts: config.json and model.safetensors.

config.json says which model the tail was trained on, by a mark of its weights; on another model
a tail would verify nonsense. The mark is a hash of the norms and of a few rows of the embedding:
enough to tell models apart, and quick where a hash of all weights would take a minute.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from unmask.errors import CheckpointError, ConfigError
from unmask.files.atomic import make_folder
from unmask.files.tensors import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    bytes_of,
    load_weights,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)
from unmask.network.adapted import AdaptedNetwork, TailConfig

N = TypeVar("N", bound=AdaptedNetwork)

_FORMAT = "unmask-tail-1"
_NUM_ROWS = 64


def write_tail(
    folder: Path,
    config: TailConfig,
    weights: dict[str, Tensor],
    trunk: Any,
    lengths: Mapping[str, int] | None = None,
) -> None:
    """Write the tail of a trunk.

    `lengths` are how many of the sequences that it learnt from are how long, where that differs.
    Raises `OutputError` if the folder cannot be written to.
    """
    make_folder(folder)
    write_tensors(folder / WEIGHTS_FILE, weights)
    values = {"format": _FORMAT, "tail": asdict(config), "trained_for": mark(trunk)}
    if lengths:
        values["lengths"] = dict(lengths)
    write_json(folder / CONFIG_FILE, values)


def read_tail(folder: Path, trunk: Any, kind: type[N]) -> N:
    """A trunk with the tail of a folder, in the trunk's type and on its device; of this kind.

    Raises:
        CheckpointError: a file is missing or damaged, or it is a tail of another model.
    """
    file = folder / CONFIG_FILE
    values = read_json(file)
    if values.get("format") != _FORMAT:
        raise CheckpointError(
            f"{file} is of format {values.get('format')!r}, a tail has {_FORMAT!r}. Name the "
            "folder that `unmask train adapt` wrote."
        )
    if values.get("trained_for") != mark(trunk):
        raise CheckpointError(
            f"{folder} holds the tail of another model: it was trained for "
            f"{values.get('trained_for')!r}, this model is {mark(trunk)!r}. Train one for this "
            "model with `unmask train adapt --trunk MODEL`."
        )
    try:
        network = kind(trunk, _config(values.get("tail")))
        network.to(device=trunk.device, dtype=trunk.embedding.weight.dtype)
    except (ConfigError, TypeError) as error:
        raise CheckpointError(f"{file}: {error}") from error
    weights = folder / WEIGHTS_FILE
    load_weights(network, read_tensors(weights), weights)
    return network.eval()


def mark(trunk: Any) -> str:
    """Tells a trunk from others, whatever type it was opened in."""
    known: str | None = getattr(trunk, "known_mark", None)
    return known or mark_of(trunk.state_dict())


def mark_of(weights: Mapping[str, Tensor]) -> str:
    """`mark` of the trunk that has these weights."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        if value.ndim == 1 or name == "embedding.weight":
            rows = value[:_NUM_ROWS] if value.ndim > 1 else value
            digest.update(name.encode())
            digest.update(bytes_of(rows))
    return digest.hexdigest()[:16]


def _config(values: Any) -> TailConfig:
    if not isinstance(values, dict):
        raise ConfigError("there is no JSON object under 'tail'. Fetch or write it again.")
    for field in fields(TailConfig):
        value = values.get(field.name, field.default)
        if type(value) is not type(field.default):
            raise ConfigError(
                f"TailConfig.{field.name} must be of type {type(field.default).__name__}, "
                f"got {value!r}."
            )
    return TailConfig(**values)
