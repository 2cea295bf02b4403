"""Which of the masked positions a step may reveal: all, or those of one block.

Semi-autoregressive decoding cuts the sequence into blocks of B positions and finishes one
before it begins the next, from left to right. Positions given from the start are never masked,
so blocks that lie within a prompt are finished from the start.

Source: Nie et al. (2025), arXiv:2502.09992, section 2.4.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.errors import ConfigError


@runtime_checkable
class Blocks(Protocol):
    """A rule for what may be revealed now."""

    def candidates(self, is_masked: Bool[Tensor, "B L"]) -> Bool[Tensor, "B L"]:
        """The masked positions that may be revealed: some, if any are masked."""
        ...


@dataclass(frozen=True)
class Whole:
    """Every masked position, all the time."""

    def candidates(self, is_masked: Bool[Tensor, "B L"]) -> Bool[Tensor, "B L"]:
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

    def candidates(self, is_masked: Bool[Tensor, "B L"]) -> Bool[Tensor, "B L"]:
        block = torch.arange(is_masked.shape[1], device=is_masked.device) // self.block_length
        none = is_masked.shape[1]
        current = torch.where(is_masked, block, none).amin(dim=1, keepdim=True)
        return is_masked & (block == current)


BLOCKS: dict[str, type[Blocks]] = {"whole": Whole, "left-to-right": LeftToRight}
"""The rules by the name they have on the command line."""
