"""Which of the masked positions a step may reveal: all, those of one block, or the first few.

Semi-autoregressive decoding cuts the sequence into blocks of B positions and finishes one
before it begins the next, from left to right. The first block begins where the prompt ends: at
the first position that is wanted, the *origin* of the sequence. A sliding window holds the first
w positions that are masked: it moves on with every token, so that no block has to wait for its
last, hardest one.

Source of blocks: Nie et al. (2025), arXiv:2502.09992, section 2.4.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.errors import ConfigError
from unmask.named import Named
from unmask.shapes import Counts


@runtime_checkable
class Blocks(Protocol):
    """A rule for what may be revealed now."""

    def candidates(self, is_masked: Bool[Tensor, "B L"], origin: Counts) -> Bool[Tensor, "B L"]:
        """The masked positions that may be revealed: some, if any are masked."""
        ...


@dataclass(frozen=True)
class Whole(Named):
    """Every masked position, all the time."""

    name = "whole"

    def candidates(self, is_masked: Bool[Tensor, "B L"], origin: Counts) -> Bool[Tensor, "B L"]:
        return is_masked


@dataclass(frozen=True)
class LeftToRight(Named):
    """The masked positions of the first block that has any."""

    name = "left-to-right"
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


@dataclass(frozen=True)
class Sliding(Named):
    """The first few masked positions, wherever they are."""

    name = "sliding"
    width: int = 32
    """w: masked positions in the window, at least 1. 1: from left to right."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError(
                f"Sliding.width must be at least 1, got {self.width}: the window holds a masked "
                "position or more. 32 is a good start; for no window use `Whole()`."
            )

    def candidates(self, is_masked: Bool[Tensor, "B L"], origin: Counts) -> Bool[Tensor, "B L"]:
        return is_masked & (is_masked.cumsum(dim=1) <= self.width)


def check_divides(chosen: Any, num_tokens: int) -> None:
    """Refuse blocks that would cut an answer of `num_tokens` into unequal parts.

    `chosen` is a sampler, a cache or a rule for blocks, or holds some. A block that is longer
    than the answer cuts nothing.

    Raises:
        ConfigError: the length of some block does not divide that of the answer.
    """
    for part in fields(chosen) if is_dataclass(chosen) else ():
        value = getattr(chosen, part.name)
        if part.name == "block_length" and value < num_tokens and num_tokens % value:
            fitting = num_tokens // value * value
            raise ConfigError(
                f"{type(chosen).__name__}.block_length is {value}, which does not divide the "
                f"{num_tokens} tokens of the answer. Ask for {fitting} or {fitting + value} new "
                "tokens, or choose another block length."
            )
        check_divides(value, num_tokens)


def places(is_masked: Bool[Tensor, "B L"], origin: Counts) -> Int[Tensor, "B L"]:
    """How far each position lies behind the origin of its sequence; negative before it."""
    return torch.arange(is_masked.shape[1], device=is_masked.device) - origin[:, None]


BLOCKS: dict[str, type[Blocks]] = {rule.name: rule for rule in (Whole, LeftToRight, Sliding)}
"""The rules by the name they have on the command line."""
