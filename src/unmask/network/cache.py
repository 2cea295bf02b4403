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
    def empty(cls, like: Float[Tensor, "B T d"], *, num_heads: int, num_slots: int) -> "KeyValueCache":
        """Room for `num_slots` tracks, of the batch, device and type of `like`."""
        shape = (like.shape[0], num_heads, num_slots, like.shape[-1] // num_heads)
        return cls(like.new_zeros(shape), like.new_zeros(shape))

    def write(
        self, slots: Int[Tensor, "B Q"], keys: Float[Tensor, "B Q H c"], values: Float[Tensor, "B Q H c"]
    ) -> tuple[Float[Tensor, "B H T c"], Float[Tensor, "B H T c"]]:
        """Put tracks into their slots; all keys and all values, the new ones included."""
        batch = torch.arange(len(slots), device=slots.device)[:, None]
        self.keys[batch, :, slots] = keys.to(self.keys.dtype)
        self.values[batch, :, slots] = values.to(self.values.dtype)
        return self.keys, self.values

    def select(self, rows: Int[Tensor, " N"]) -> "KeyValueCache":
        """The caches of some sequences of the batch, as a copy."""
        return KeyValueCache(self.keys[rows], self.values[rows])
