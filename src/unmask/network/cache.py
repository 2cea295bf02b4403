"""Keys and values of the tail's tracks, in the order of the tracks."""

from dataclasses import dataclass

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
