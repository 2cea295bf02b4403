"""Folders of models of text and of sequences: written here, or published by others; their tails.

config.json has a `format`       a network of ours, with trunk and tail (network/checkpoint.py)
its `model_type` is esm, esmc    ESM-2, DPLM, ESM-C (esm/folder.py), which draft residues
tail/                            a causal tail for the network that lies there
"""

from pathlib import Path
from typing import Any, TypeAlias

import torch

from unmask.errors import ConfigError
from unmask.esm.folder import is_esm, read_esm, write_esm
from unmask.esm.network import EsmNetwork
from unmask.files.model_folder import TAIL_FOLDER
from unmask.files.tensors import CONFIG_FILE, in_eight_bits, read_json
from unmask.models.lengths import Lengths
from unmask.network import checkpoint
from unmask.network.adapted import AdaptedNetwork
from unmask.network.new_hybrid import HybridNetwork
from unmask.network.tail_folder import read_tail, write_tail
from unmask.vocabularies.named import vocabulary_in
from unmask.vocabularies.residues import Residues
from unmask.vocabularies.vocabulary import Vocabulary

TextNetwork: TypeAlias = HybridNetwork | EsmNetwork | AdaptedNetwork
"""What a `TextModel` generates with."""


def read_text_network(
    folder: Path, dtype: torch.dtype, device: str
) -> tuple[TextNetwork, Vocabulary, Lengths | None]:
    """The network of a folder, with its tail if one lies there; its vocabulary, its lengths.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    values = read_json(folder / CONFIG_FILE)
    network: TextNetwork
    vocabulary: Vocabulary
    if is_esm(values):
        network, vocabulary, lengths = read_esm(folder, dtype, device), Residues(), None
    else:
        network, fields = checkpoint.read_model(folder, dtype)
        network, vocabulary = network.to(device), vocabulary_in(folder, fields)
        lengths = Lengths.from_json(values.get("lengths"), str(folder / CONFIG_FILE))
    if (folder / TAIL_FOLDER).is_dir():
        network, learnt = read_tail_for(network, folder / TAIL_FOLDER, str(folder))
        lengths = learnt or lengths
    return network, vocabulary, lengths


def read_tail_for(
    network: TextNetwork, folder: Path, name: str
) -> tuple[AdaptedNetwork, Lengths | None]:
    """The same network with the tail of a folder, and the lengths that this learnt from.

    Raises:
        CheckpointError: its files are damaged, or it is of another model.
        ConfigError: the network has blocks of its own that verify.
    """
    trunk = trunk_for_tail(network, name)
    lengths = Lengths.from_json(read_json(folder / CONFIG_FILE).get("lengths"), str(folder))
    return read_tail(folder, trunk, AdaptedNetwork), lengths


def trunk_for_tail(network: TextNetwork, name: str) -> Any:
    """The network that drafts, without a tail that was put to it. Raises `ConfigError`."""
    if isinstance(network, AdaptedNetwork):
        return network.trunk
    if network.config.is_causal or network.config.has_tail:
        own = "a causal trunk" if network.config.is_causal else "a tail of its own"
        raise ConfigError(
            f"{name} has {own}, learnt together with the rest. A tail is for a model that "
            "drafts alone: ESM-2, DPLM, or one trained with --model.num_tail_blocks 0."
        )
    return network


def write_text_network(
    folder: Path,
    network: TextNetwork,
    vocabulary: Vocabulary,
    lengths: Lengths | None,
    *,
    eight_bits: bool = False,
) -> None:
    """Write a folder that `read_text_network` reads.

    Raises:
        ConfigError: weights in eight bits are asked of a published format, which has none.
        OutputError: the folder cannot be written to.
    """
    how_long = None if lengths is None else lengths.to_json()
    trunk = network.trunk if isinstance(network, AdaptedNetwork) else network
    weights = trunk.state_dict()
    if isinstance(trunk, EsmNetwork):
        if eight_bits:
            raise ConfigError(
                "the format that ESM is published in has no weights in eight bits. Save it in "
                'bfloat16: unmask.load(MODEL, dtype="bfloat16").'
            )
        write_esm(folder, trunk.esm, weights)
    else:
        weights = in_eight_bits(weights) if eight_bits else weights
        fields, files = vocabulary.to_json(), vocabulary.files()
        checkpoint.write_model(folder, trunk.config, weights, fields, files, how_long)
        if eight_bits:  # the tail is marked for what will be read
            trunk, _ = checkpoint.read_model(folder)
    if isinstance(network, AdaptedNetwork):
        tail, config = network.state_dict(), network.tail_config
        write_tail(folder / TAIL_FOLDER, config, tail, trunk, how_long)
