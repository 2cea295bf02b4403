"""Putting published weights into a network that was made without room for any."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from unmask.files.tensors import fingerprint_of
from unmask.network.tail_folder import mark_of

N = TypeVar("N", bound=nn.Module)


def reading_type(dtype: torch.dtype) -> torch.dtype | None:
    """In what type files are read for a network of this type; None: as they are.

    float16 has not the range of what is published, so that a network in it no longer tells what
    it was: `fill` notes that first.
    """
    return None if dtype == torch.float16 else dtype


def fill(network: N, weights: Mapping[str, Tensor], dtype: torch.dtype, *, tied: bool) -> N:
    """The network with these weights, to be sampled from and not trained.

    `tied`: its unembedding is its embedding, and not among the weights.
    """
    found = dict(weights)
    if tied:
        found["unembedding.weight"] = found["embedding.weight"]
    if reading_type(dtype) is None:
        network.known_fingerprint = fingerprint_of(found)  # type: ignore[assignment]
        network.known_mark = mark_of(found)  # type: ignore[assignment]
        found = {name: weight.to(dtype) for name, weight in found.items()}
    network.load_state_dict(found, assign=True)
    if tied:
        network.unembedding.weight = network.embedding.weight  # type: ignore[union-attr]
    return network.eval().requires_grad_(False)
