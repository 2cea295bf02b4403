"""A folder as LLaDA and Dream are published: config.json, safetensors, tokenizer.json."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork
from unmask.dllm.weight_names import published_names
from unmask.errors import CheckpointError, ConfigError
from unmask.files.published import PublishedWeights, write_published
from unmask.files.tensors import CONFIG_FILE, read_json, write_json
from unmask.network.fill import fill, reading_type


def read_config(folder: Path) -> DllmConfig:
    """What config.json says. Raises `CheckpointError` if it is not of such a model."""
    try:
        return DllmConfig.from_json(read_json(folder / CONFIG_FILE))
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from error


def read_network(
    folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> DllmNetwork:
    """The network of a folder.

    Raises:
        CheckpointError: a file is missing or damaged; or tensors are missing, not expected, or
            of another shape than config.json says: lists them.
    """
    config = read_config(folder)
    theirs = _weights(folder).read(_wanted(config), reading_type(dtype), device)
    weights = {ours: theirs[name] for ours, name in published_names(config).items()}
    with torch.device("meta"):
        network = DllmNetwork(config)
    return fill(network, weights, dtype, tied=config.tied)


def write_network(
    folder: Path, config: DllmConfig, weights: dict[str, Tensor], *, num_files: int = 1
) -> None:
    """Write config.json and the weights, in one file or in several with their index.

    Raises `OutputError` if the folder cannot be written to.
    """
    names = published_names(config)
    write_json(folder / CONFIG_FILE, config.to_json())
    theirs = {names[ours]: weights[ours] for ours in names}
    write_published(folder, theirs, num_files=num_files)


_IDLE = (
    "lm_head.weight", "transformer.ff_out.weight", "rotary_emb.inv_freq", "rotary_emb.cos_cached",
    "rotary_emb.sin_cached", "rotary_pos_emb.inv_freq",
)  # fmt: skip
"""A tied head, angles that are worked out."""


def _weights(folder: Path) -> PublishedWeights:
    return PublishedWeights.of(folder, _IDLE)


def _wanted(config: DllmConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its published name."""
    one = replace(config, num_blocks=1)  # all blocks are alike: no network of all is made for it
    with torch.device("meta"):
        shapes = {n: tuple(v.shape) for n, v in DllmNetwork(one).state_dict().items()}
    return {
        theirs: shapes[re.sub(r"^blocks\.\d+\.", "blocks.0.", ours)]
        for ours, theirs in published_names(config).items()
    }


def tensor_kinds(folder: Path, config: DllmConfig) -> tuple[dict[str, int], list[str]]:
    """How many tensors there are of each type, and what would keep them from being loaded.

    Raises `CheckpointError` if a file is missing or damaged.
    """
    weights = _weights(folder)
    return weights.kinds(), weights.troubles(_wanted(config))


_TYPES = {"BF16": torch.bfloat16, "F16": torch.float16}


def dtype_of_files(folder: Path, config: DllmConfig) -> torch.dtype:
    """The type that most tensors of a folder have, where it is one of 16 bits; else float32.

    Raises `CheckpointError` if a file is missing or damaged.
    """
    kinds, _ = tensor_kinds(folder, config)
    return _TYPES.get(max(kinds, key=lambda kind: kinds[kind]), torch.float32)
