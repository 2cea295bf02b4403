"""Ids that a network has a row for and must never say: a mask of its own, rows for no token."""

from functools import lru_cache
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor


def silence(logits: Float[Tensor, "*n V"], token_ids: tuple[int, ...]) -> None:
    """Make the logits of some ids minus infinity, in place.

    By runs of neighbours, of which there are few: an index would have to be sent to a GPU.
    """
    for run in _runs(token_ids):
        logits[..., run] = -torch.inf


@lru_cache(maxsize=16)
def _runs(token_ids: tuple[int, ...]) -> tuple[slice, ...]:
    found = []
    for _, run in groupby(enumerate(sorted(token_ids)), key=lambda each: each[1] - each[0]):
        ids = [token_id for _, token_id in run]
        found.append(slice(ids[0], ids[-1] + 1))
    return tuple(found)
