"""Dilated unmasking: a fixed order in which positions far apart are revealed together.

Blocks of B positions are finished from left to right. In a block, group t = 1, 2, ... is

    { k in 1..B, in no earlier group : (k - 1) mod s_t = 0 },   s_t = max(1, floor(B / a^t)),

until nothing is left over; one pass per group, tokens of a group drawn independently. The
predictor has no say in the order: a pass costs what it costs, whatever it predicts.

    B = 8, a = 2:   {1, 5}  {3, 7}  {2, 4, 6, 8}

A power B = a^R has R groups, the last one with s = 1, and if a = 2 and B >= 4 no two neighbours
of a block share a group. Other lengths have at most ceil(log_a B) groups, in which neighbours
may meet. There floor(B / a^t) can fall from above 1 to 0: the max makes that the group that
takes the rest. The released code also merges a last group with the one before, if that is
larger; the paper does not, nor do we.

Source: Luxembourg et al. (2025), arXiv:2506.19037 (DUS), without its skipping of unsure tokens.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import blocks
from unmask.samplers.common import masked_state
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class Dilated(SamplerRule):
    """How far apart the tokens of one pass lie."""

    name = "dilated"
    block_length: int = 32
    """Positions in a block; a power of the base is best. The last block may be cut short."""
    base: int = 2
    """a: how many times closer each group lies than the one before."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of what is drawn."""

    def __post_init__(self) -> None:
        if self.block_length < 1:
            raise ConfigError(
                f"Dilated.block_length must be at least 1, got {self.block_length}: a block holds "
                "a position or more. 32 takes 5 passes for 32 tokens, 16 takes 4 for 16."
            )
        if self.base < 2:
            raise ConfigError(
                f"Dilated.base must be at least 2, got {self.base}: each group lies that many "
                "times closer than the one before. 2 is the paper's; more is faster."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """One pass for the next group that has anything masked."""
        length = state.is_masked.shape[1]
        turn = turns(length, self.block_length, self.base).to(state.is_masked.device)
        never = int(turn.max()) + 1
        turn = turn[blocks.places(state.is_masked, state.origin).clamp(min=0)]
        current = torch.where(state.is_masked, turn, never).amin(dim=1, keepdim=True)
        is_chosen = state.is_masked & (turn == current)
        prediction = masked_state.predict(predictor, state.token_ids, is_chosen)
        window = prediction.window
        drawn = self.filter.draw(prediction.log_probs, window.in_window, draws)
        return masked_state.reveal(state, window, window.in_window, drawn)


def groups(block_length: int, base: int) -> Int[Tensor, " {block_length}"]:
    """The group of each place of a block, both counted from 0."""
    dilations = [max(1, block_length // base)]
    while dilations[-1] > 1:
        # floor(floor(B / a^t) / a) = floor(B / a^(t + 1))
        dilations.append(max(1, dilations[-1] // base))
    place = torch.arange(block_length)
    group = torch.zeros_like(place)
    for t in reversed(range(len(dilations))):
        group[place % dilations[t] == 0] = t
    return group


def turns(length: int, block_length: int, base: int) -> Int[Tensor, " {length}"]:
    """When each position of a sequence is revealed: block by block, group by group.

    A last block cut short keeps the groups of a full one, as far as it goes.
    """
    position = torch.arange(length)
    group = groups(block_length, base)
    num_groups = int(group.max()) + 1
    return position // block_length * num_groups + group[position % block_length]
