"""Which of the masked positions a step may reveal: all, or those of one block.

Semi-autoregressive decoding cuts the sequence into blocks of B positions and finishes one
before it begins the next, from left to right. The first block begins where the prompt ends: at
the first position that is wanted, the *origin* of the sequence.

Source: Nie et al. (2025), arXiv:2502.09992, section 2.4.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.errors import ConfigError
from unmask.shapes import Counts


@runtime_checkable
class Blocks(Protocol):
    """A rule for what may be revealed now."""

    def candidates(self, is_masked: Bool[Tensor, "B L"], origin: Counts) -> Bool[Tensor, "B L"]:
        """The masked positions that may be revealed: some, if any are masked."""
        ...


@dataclass(frozen=True)
class Whole:
    """Every masked position, all the time."""

    def candidates(self, is_masked: Bool[Tensor, "B L"], origin: Counts) -> Bool[Tensor, "B L"]:
        return is_masked


@dataclass(frozen=True)
class LeftToRight:
    """The masked positions of the first block that has any."""

    block_length: int = 32
    """Positions in a block, at least 1. The last block may be shorter."""

    def __post_init__(self) -> None:
        if self.block_length < 1:
            raise ConfigError(
                f"LeftToRight.block_length must be at least 1, got {self.block_length}: a block "
                "holds a position or more. 32 is common; for no blocks use `Whole()`."
            )

    def candidates(self, is_masked: Bool[Tensor, "B L"], origin: Counts) -> Bool[Tensor, "B L"]:
        block = places(is_masked, origin) // self.block_length
        none = is_masked.shape[1]
        current = torch.where(is_masked, block, none).amin(dim=1, keepdim=True)
        return is_masked & (block == current)


def places(is_masked: Bool[Tensor, "B L"], origin: Counts) -> Int[Tensor, "B L"]:
    """How far each position lies behind the origin of its sequence; negative before it."""
    return torch.arange(is_masked.shape[1], device=is_masked.device) - origin[:, None]


BLOCKS: dict[str, type[Blocks]] = {"whole": Whole, "left-to-right": LeftToRight}
"""The rules by the name they have on the command line."""
