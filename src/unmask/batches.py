"""Batches that sequences leave and join: dataclasses of tensors with one row per sequence.

Rows of different length become one batch by padding the shorter ones at their end. What stands
there is said where a field is declared:

    token_ids: TokenIds = field(metadata=padded_with(PAD))    PAD: "no position here"
    order: Order = field(metadata=padded_with(OWN_PLACE))     the number of the place itself
    num_revealed: Counts                                      one per sequence: nothing to pad
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

OWN_PLACE = "own place"
"""The filling by which an order that is padded visits the padding last, and stays an order."""


def padded_with(filling: float | str) -> dict[str, Any]:
    """Metadata of a field [B, n, ...] whose rows may have to be padded along n."""
    return {"filling": filling}


AnyRows = TypeVar("AnyRows", bound="Rows")


@dataclass(frozen=True)
class Rows:
    """A batch. Fields are tensors, batches themselves, or what all sequences share."""

    def select(self: AnyRows, rows: Int[Tensor, " N"]) -> AnyRows:
        """The same of some sequences of the batch, in the order asked for."""

        def selected(value: Any) -> Any:
            if isinstance(value, Rows):
                return value.select(rows)
            return value[rows] if isinstance(value, Tensor) else value

        return type(self)(**{name: selected(value) for name, value in vars(self).items()})


def join(batches: Sequence[AnyRows]) -> AnyRows:
    """All sequences of some batches as one, in their order; shorter rows padded."""
    if len(batches) == 1:
        return batches[0]
    return type(batches[0])(
        **{
            each.name: _joined(
                [getattr(batch, each.name) for batch in batches], each.metadata.get("filling")
            )
            for each in fields(batches[0])
        }
    )


def _joined(values: list[Any], filling: float | str | None) -> Any:
    if isinstance(values[0], Rows):
        return join(values)
    if not isinstance(values[0], Tensor):
        assert all(value == values[0] for value in values), "batches of different settings"
        return values[0]
    if filling is not None:
        width = max(value.shape[1] for value in values)
        values = [_padded(value, width, filling) for value in values]
    return torch.cat(values)


def _padded(value: Tensor, width: int, filling: float | str) -> Tensor:
    first = value.shape[1]
    if first == width:
        return value
    shape = (len(value), width - first, *value.shape[2:])
    if filling == OWN_PLACE:
        room = torch.arange(first, width, device=value.device).to(value.dtype).expand(shape)
    else:
        assert not isinstance(filling, str)
        room = value.new_full(shape, filling)
    return torch.cat([value, room], dim=1)
