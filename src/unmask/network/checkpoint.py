"""A model folder: config.json says what the network is, model.safetensors holds its weights.

Both are data; opening them runs no code. Files appear whole or not at all.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.errors import CheckpointError, ConfigError
from unmask.files.atomic import make_folder, replacing
from unmask.files.tensors import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    check_fits,
    fingerprint_of,
    load_weights,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)
from unmask.network.config import HybridConfig
from unmask.network.new_hybrid import HybridNetwork, new_hybrid

_FORMAT = "unmask-hybrid-1"


def write_model(
    folder: Path,
    config: HybridConfig,
    weights: dict[str, Tensor],
    vocabulary: dict[str, Any],
    files: Mapping[str, str] | None = None,
    lengths: Mapping[str, int] | None = None,
) -> None:
    """Write a model folder.

    `vocabulary` says how text becomes token ids (unmask.vocabularies), `files` are its own, by
    name; `lengths` how many of the sequences that it learnt from are how long, where that differs.
    """
    make_folder(folder)
    for name, content in (files or {}).items():
        with replacing(folder / name) as draft:
            draft.write_text(content, encoding="utf-8")
    write_tensors(folder / WEIGHTS_FILE, weights)
    config_json = {"format": _FORMAT, "model": config.to_json(), "codec": vocabulary}
    if lengths:
        config_json["lengths"] = dict(lengths)
    write_json(folder / CONFIG_FILE, config_json)


def read_model(
    folder: Path, dtype: torch.dtype = torch.float32
) -> tuple[HybridNetwork, dict[str, Any]]:
    """The network of a model folder, its weights cast to `dtype`; what it says of its vocabulary.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights do not fit the config.
    """
    values = read_json(folder / CONFIG_FILE)
    if values.get("format") == "unmask-tail-1":
        raise CheckpointError(
            f"{folder} is the tail of a model, not a model: open that, and name this folder with "
            "--tail (`with_tail`)."
        )
    if values.get("format") != _FORMAT:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} is of format {values.get('format')!r}, this version reads "
            f"{_FORMAT!r}. It belongs to another program, or to a newer unmask."
        )
    for name in ("model", "codec"):
        if not isinstance(values.get(name), dict):
            raise CheckpointError(
                f"{folder / CONFIG_FILE} has no JSON object under {name!r}. "
                "Fetch or write it again."
            )
    tensors = read_tensors(folder / WEIGHTS_FILE)
    try:
        config = HybridConfig.from_json(values["model"])
        _check_has_blocks(config, tensors, folder)
        with torch.device("meta"):  # whatever sizes config.json names, no room is made for them
            check_fits(new_hybrid(config), tensors, folder / WEIGHTS_FILE)
        model = new_hybrid(config).to(dtype)
    except (ConfigError, TypeError, OverflowError, RuntimeError) as error:
        # The last three are torch's, for sizes that no machine has room for.
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from error
    load_weights(model, tensors, folder / WEIGHTS_FILE)
    if dtype == torch.float16:  # which has not the range of what is published
        model.known_fingerprint = fingerprint_of(tensors)
    return model.eval(), values["codec"]


def _check_has_blocks(config: HybridConfig, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Of more blocks than there are tensors not even the names can be compared."""
    if config.num_blocks > len(tensors):
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} does not fit its {CONFIG_FILE}: it has {len(tensors):,} "
            f"tensors, the config asks for {config.num_blocks:,} blocks. The two files come from "
            "different models."
        )
