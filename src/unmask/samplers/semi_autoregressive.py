"""Semi-autoregressive decoding with low-confidence remasking: block by block, surest tokens first.

The sequence is cut into blocks that are filled from left to right. A step draws a token at each
masked position of the first block that has any, and keeps the n with the highest p(token). After
k of T steps, with m positions masked in this block, and M of the L positions wanted in N later
blocks,

    kept = max(floor(T M / L), N)     steps kept for later blocks: their share, or one for each
    s = max(T - k - kept, 1)          steps for what is left of this block
    n = ceil(m / s)

so that L positions take min(T, L) steps. If all blocks are full and T is a multiple of their
number this is the source's quota: with s steps for each block, block_length // s positions a
step, and one more in the first block_length % s.

Source: Nie et al. (2025), arXiv:2502.09992, section 2.4 and their code.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import blocks
from unmask.process.blocks import LeftToRight
from unmask.samplers.common import masked_state, quota, scores
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class SemiAutoregressive(SamplerRule):
    """How a semi-autoregressive sampler spends its passes."""

    name = "semi-autoregressive"
    num_steps: int = 64
    """Passes from all masked to all revealed, at most; one or more for each block."""
    block_length: int = 32
    """Positions in a block. As many as the sequence has: no blocks. 1: one token per pass."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the tokens; confidence is the predictor's own."""

    def __post_init__(self) -> None:
        quota.check_num_steps("SemiAutoregressive", self.num_steps)
        if self.block_length < 1:
            raise ConfigError(
                "SemiAutoregressive.block_length must be at least 1, got "
                f"{self.block_length}: a block holds a position or more. 32 is common; the "
                "length of the sequence makes it one block."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        state = masked_state.start(given_ids, mask_id=mask_id)
        num_blocks = self._num_blocks(state.is_masked, state)
        if (num_blocks > self.num_steps).any():
            raise ConfigError(
                f"SemiAutoregressive.num_steps must be at least {int(num_blocks.max())}, the "
                f"number of blocks of {self.block_length} positions to fill, got "
                f"{self.num_steps}: each block takes a step or more. Take more steps, or "
                "longer blocks."
            )
        return state

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """Tokens everywhere in the block, of which the surest stay."""
        is_candidate = LeftToRight(self.block_length).candidates(state.is_masked, state.origin)
        found = masked_state.propose(predictor, state.token_ids, is_candidate, self.filter, draws)
        num_chosen = self._quota(state, is_candidate)
        is_chosen = scores.top(found.confidence, found.window.in_window, num_chosen)
        return masked_state.reveal(state, found.window, is_chosen, found.token_ids)

    def _quota(self, state: MaskedState, is_candidate: Bool[Tensor, "B L"]) -> Counts:
        """n: how many positions the next step reveals."""
        is_later = state.is_masked & ~is_candidate
        share_of_later = self.num_steps * is_later.sum(dim=1) // state.num_wanted
        num_kept = share_of_later.maximum(self._num_blocks(is_later, state))
        num_steps_here = (self.num_steps - state.num_steps_taken - num_kept).clamp(min=1)
        return -(-is_candidate.sum(dim=1) // num_steps_here)

    def _num_blocks(self, is_masked: Bool[Tensor, "B L"], state: MaskedState) -> Counts:
        """How many blocks have masked positions."""
        block = blocks.places(is_masked, state.origin).clamp(min=0) // self.block_length
        count = torch.zeros_like(block).scatter_add(1, block, is_masked.long())
        return (count > 0).sum(dim=1)
