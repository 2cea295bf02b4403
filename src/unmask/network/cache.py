"""Keys and values that a pass finds in a block, and leaves there.

Two ways to keep them: `KeyValueCache` is written in place, which is for sequences that only grow;
`CopiedKeys` leaves what it was given as it was, for a state that may be gone back to.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class KeyValueCache:
    """One row per slot. Writing a slot again replaces it; what is stale is never made visible."""

    keys: Float[Tensor, "B H T c"]
    values: Float[Tensor, "B H T c"]

    @classmethod
    def empty(cls, like: Float[Tensor, "B T d"], *, num_heads: int) -> "KeyValueCache":
        """No slots yet, of the batch, device and type of `like`."""
        shape = (like.shape[0], num_heads, 0, like.shape[-1] // num_heads)
        return cls(like.new_zeros(shape), like.new_zeros(shape))

    def grown(self, num_slots: int) -> "KeyValueCache":
        """The same tracks, with room for at least `num_slots`."""
        num_missing = num_slots - self.keys.shape[2]
        if num_missing <= 0:
            return self
        room = self.keys.new_zeros(*self.keys.shape[:2], num_missing, self.keys.shape[3])
        return KeyValueCache(torch.cat([self.keys, room], 2), torch.cat([self.values, room], 2))

    def write(
        self,
        slots: Int[Tensor, "B Q"],
        keys: Float[Tensor, "B Q H c"],
        values: Float[Tensor, "B Q H c"],
    ) -> tuple[Float[Tensor, "B H T c"], Float[Tensor, "B H T c"]]:
        """Put tracks into their slots; all keys and all values, the new ones included."""
        batch = torch.arange(len(slots), device=slots.device)[:, None]
        self.keys[batch, :, slots] = keys.to(self.keys.dtype)
        self.values[batch, :, slots] = values.to(self.values.dtype)
        return self.keys, self.values

    def select(self, rows: Int[Tensor, " N"]) -> "KeyValueCache":
        """The caches of some sequences of the batch, as a copy."""
        return KeyValueCache(self.keys[rows], self.values[rows])


@runtime_checkable
class KeyValueStore(Protocol):
    """Where the keys and values of one pass through one block go."""

    @property
    def query_columns(self) -> Int[Tensor, "B Q"] | None:
        """Which tokens of the pass ask; the others give keys and values only. None: all ask."""
        ...

    def write(
        self, keys: Float[Tensor, "B T G c"], values: Float[Tensor, "B T G c"]
    ) -> tuple[Float[Tensor, "B G N c"], Float[Tensor, "B G N c"]]:
        """Those of all tokens that can be attended to, the new ones included."""
        ...


@dataclass(frozen=True)
class Cached:
    """The tokens of one pass join others, whose keys and values are kept in place."""

    cache: KeyValueCache
    slots: Int[Tensor, "B T"]
    """Where the tokens of the pass go."""
    query_columns: Int[Tensor, "B Q"] | None = None

    def write(
        self, keys: Float[Tensor, "B T H c"], values: Float[Tensor, "B T H c"]
    ) -> tuple[Float[Tensor, "B H N c"], Float[Tensor, "B H N c"]]:
        """See `KeyValueStore`."""
        return self.cache.write(self.slots, keys, values)


class CopiedKeys:
    """Keys and values of whole sequences, as they are behind a pass: `keys_values` then.

    `before` [B, L, 2, G, c] and `slots` [B, T] say what stood there and where the tokens of the
    pass go, L for those that are not there; without them the pass is over all tokens.
    """

    query_columns: None = None
    keys_values: Float[Tensor, "B N 2 G c"]

    def __init__(
        self,
        before: Float[Tensor, "B L 2 G c"] | None = None,
        slots: Int[Tensor, "B T"] | None = None,
    ) -> None:
        self._before, self._slots = before, slots

    def write(
        self, keys: Float[Tensor, "B T G c"], values: Float[Tensor, "B T G c"]
    ) -> tuple[Float[Tensor, "B G N c"], Float[Tensor, "B G N c"]]:
        """See `KeyValueStore`."""
        made = torch.stack([keys, values], dim=2)
        if self._before is not None and self._slots is not None:
            made = write_rows(self._before, self._slots, made)
        self.keys_values = made
        keys, values = (part.transpose(1, 2) for part in made.unbind(2))
        return keys, values


def gather_rows(x: Float[Tensor, "B T d"], rows: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q d"]:
    """x[b, rows[b, q]] for every b and q."""
    return x.gather(1, rows[..., None].expand(-1, -1, x.shape[-1]))


def write_rows(
    rows: Float[Tensor, "B L *n"], slots: Int[Tensor, "B T"], values: Float[Tensor, "B T *n"]
) -> Float[Tensor, "B L *n"]:
    """A copy of `rows` with values[b, t] at slots[b, t]; slot L is nowhere."""
    length = rows.shape[1]
    wider = torch.cat([rows, rows[:, :1]], dim=1)
    batch = torch.arange(len(rows), device=rows.device)[:, None]
    wider[batch, slots] = values.to(rows.dtype)
    return wider[:, :length]
