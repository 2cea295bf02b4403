"""A folder as ESM-2, DPLM and ESM-C are published: config.json and safetensors.

ESM-2's files keep the names of transformers' EsmForMaskedLM, DPLM's the same behind "net."; a
norm's weight and bias are gamma and beta in some of them. What predicts contacts is not read.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.errors import CheckpointError, ConfigError
from unmask.esm.config import FAMILIES, EsmConfig
from unmask.esm.network import EsmNetwork
from unmask.files.atomic import make_folder
from unmask.files.published import PublishedWeights, write_published
from unmask.files.tensors import CONFIG_FILE, read_json, write_json
from unmask.network.fill import fill, reading_type

_OUTSIDE = {
    "esm": {
        "embedding": "esm.embeddings.word_embeddings",
        "norm.last": "esm.encoder.emb_layer_norm_after",
        "norm.dense": "lm_head.dense",
        "norm.norm": "lm_head.layer_norm",
        "unembedding.weight": "lm_head.decoder.weight",
        "unembedding.bias": "lm_head.bias",
    },
    "esmc": {
        "embedding": "esmc.embed_tokens",
        "norm.last": "esmc.norm",
        "norm.dense": "lm_head.dense",
        "norm.norm": "lm_head.layer_norm",
        "unembedding": "lm_head.decoder",
    },
}
_BLOCK = {
    "esm": {
        "attention_norm": "esm.encoder.layer.{}.attention.LayerNorm",
        "attention.q": "esm.encoder.layer.{}.attention.self.query",
        "attention.k": "esm.encoder.layer.{}.attention.self.key",
        "attention.v": "esm.encoder.layer.{}.attention.self.value",
        "attention.out": "esm.encoder.layer.{}.attention.output.dense",
        "mlp_norm": "esm.encoder.layer.{}.LayerNorm",
        "mlp.up": "esm.encoder.layer.{}.intermediate.dense",
        "mlp.down": "esm.encoder.layer.{}.output.dense",
    },
    "esmc": {
        "attention_norm": "esmc.layers.{}.input_layernorm",
        "attention.q": "esmc.layers.{}.self_attn.q_proj",
        "attention.k": "esmc.layers.{}.self_attn.k_proj",
        "attention.v": "esmc.layers.{}.self_attn.v_proj",
        "attention.q_norm": "esmc.layers.{}.self_attn.q_norm",
        "attention.k_norm": "esmc.layers.{}.self_attn.k_norm",
        "attention.out": "esmc.layers.{}.self_attn.o_proj",
        "mlp_norm": "esmc.layers.{}.post_attention_layernorm",
        "mlp.gate": "esmc.layers.{}.mlp.gate_proj",
        "mlp.up": "esmc.layers.{}.mlp.up_proj",
        "mlp.down": "esmc.layers.{}.mlp.down_proj",
    },
}
_IDLE = (
    "contact_head.regression.weight", "contact_head.regression.bias", "inv_freq", "position_ids",
    "position_embeddings.weight", "lm_head.decoder.weight", "lm_head.decoder.bias",
)  # fmt: skip
"""What predicts contacts, angles that are worked out, a head that is tied."""


def is_esm(values: Mapping[str, Any]) -> bool:
    """Whether a config.json is one of these models'."""
    return values.get("model_type") in FAMILIES


def read_esm_config(folder: Path) -> EsmConfig:
    """What config.json says. Raises `CheckpointError` if it asks for what is not here."""
    try:
        return EsmConfig.from_json(read_json(folder / CONFIG_FILE))
    except ConfigError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: {error}") from error


def read_esm(
    folder: Path, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> EsmNetwork:
    """The network of a folder, not to be trained.

    Raises:
        CheckpointError: a file is missing, damaged or pickled; or tensors are missing, not
            expected, or of another shape than config.json says: lists them.
    """
    config = read_esm_config(folder)
    with torch.device("meta"):
        network = EsmNetwork(config)
    theirs = _published(folder).read(_wanted(network), reading_type(dtype), device)
    names = _published_names(config, list(network.state_dict()))
    weights = {ours: theirs[name] for ours, name in names.items()}
    # Tables that are worked out, for which there is no room on the device meta.
    network.rotary = EsmNetwork.rotary_of(config).to(device)
    return fill(network, weights, dtype, tied=config.tied)


def write_esm(folder: Path, config: EsmConfig, weights: dict[str, Tensor]) -> None:
    """Write a folder as such models are published.

    Raises `OutputError` if it cannot be written to.
    """
    make_folder(folder)
    write_json(folder / CONFIG_FILE, config.to_json())
    names = _published_names(config, list(weights))
    write_published(folder, {theirs: weights[ours] for ours, theirs in names.items()})


def esm_tensor_kinds(folder: Path, config: EsmConfig) -> tuple[dict[str, int], list[str]]:
    """How many tensors there are of each type, and what would keep them from being loaded.

    Raises `CheckpointError` if a file is missing, damaged or pickled.
    """
    with torch.device("meta"):
        wanted = _wanted(EsmNetwork(config))
    weights = _published(folder)
    return weights.kinds(), weights.troubles(wanted)


def _published(folder: Path) -> PublishedWeights:
    return PublishedWeights.of(folder, _IDLE, _usual)


def _wanted(network: EsmNetwork) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by its published name."""
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    names = _published_names(network.esm, list(shapes))
    return {theirs: shapes[ours] for ours, theirs in names.items()}


def _published_names(config: EsmConfig, ours: list[str]) -> dict[str, str]:
    """The published name of each weight, by ours."""
    found = dict[str, str]()
    for name in ours:
        if name == "unembedding.weight" and config.tied:
            continue
        in_block = re.fullmatch(r"trunk\.(\d+)\.(.+)\.(weight|bias)", name)
        if in_block:
            number, part, kind = in_block.groups()
            found[name] = f"{_BLOCK[config.family][part].format(number)}.{kind}"
            continue
        outside = _OUTSIDE[config.family]
        stem, _, kind = name.rpartition(".")
        found[name] = outside[name] if name in outside else f"{outside[stem]}.{kind}"
    return found


def _usual(name: str) -> str:
    name = name.removeprefix("net.")
    return re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
