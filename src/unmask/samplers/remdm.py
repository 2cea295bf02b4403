"""ReMDM: ancestral sampling that may also mask revealed tokens again, to draw them anew.

From time t to s < t, each position for itself, with sigma <= min(1, (1 - alpha_s) / alpha_t):

    revealed    masked again with probability sigma
    masked      revealed with probability (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t)

What is revealed is drawn from the factorised prediction at time t. If sigma depends on nothing
but the time, a position is revealed at time s with probability

    alpha_t (1 - sigma) + (1 - alpha_t) (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t) = alpha_s,

as in ancestral sampling, which is the case sigma = 0. At s = 0 all is revealed. Tokens that are
given are never masked. A step that reveals nothing needs no prediction and costs no pass.

Source: Wang et al. (2025), arXiv:2503.00307. How to choose sigma: process/remasking.py.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.process import grids, schedules
from unmask.process.grids import Grid
from unmask.process.remasking import Cap, Remasking
from unmask.process.schedules import Schedule
from unmask.samplers.common import quota, revisable_state
from unmask.samplers.common.revisable_state import RevisableState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class ReMDM(SamplerRule):
    """How a sampler that remasks spends its passes."""

    name = "remdm"
    takes_back = True
    num_steps: int = 64
    """Steps from all masked to all revealed: trunk passes, at most."""
    grid: Grid = field(default_factory=grids.Linear)
    """Where the steps lie in time; the defaults of the remaskings are for equal steps."""
    schedule: Schedule = field(default_factory=schedules.Linear)
    """The share of tokens revealed by time t."""
    remasking: Remasking = field(default_factory=Cap)
    """How often revealed tokens are masked again."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the prediction."""

    def __post_init__(self) -> None:
        quota.check_num_steps("ReMDM", self.num_steps)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> RevisableState:
        """All that is not given is masked, at time 1."""
        return revisable_state.start(given_ids, mask_id=mask_id, num_steps=self.num_steps)

    def step(
        self, state: RevisableState, predictor: Predictor, draws: Draws
    ) -> tuple[RevisableState, Cost[Counts]]:
        """From one time of the grid to the next."""
        times = self.grid.times(self.num_steps)
        alpha = self.remasking.alpha(self.schedule, times).to(state.token_ids.device)
        t = times.to(alpha.device)[state.num_steps_taken, None]
        alpha_t = alpha[state.num_steps_taken, None]
        alpha_s = alpha[state.num_steps_taken + 1, None]
        sigma = self.remasking.sigma(t, sigma_max(alpha_t, alpha_s), state.confidence)
        reveal_prob = (alpha_s - (1 - sigma) * alpha_t) / (1 - alpha_t)

        is_masked = state.is_masked
        # Where nothing is ever taken back, the random numbers are those of ancestral sampling.
        can_change = is_masked | (~state.is_given & (sigma > 0))
        changes = draws.bernoulli(reveal_prob.where(is_masked, sigma), where=can_change)
        guess = revisable_state.guess(state, is_masked & changes, predictor, draws, self.filter)
        return revisable_state.settle(
            state, guess, is_masked ^ changes, mask_id=predictor.vocab_size
        )


def sigma_max(alpha_t: Float[Tensor, "*n"], alpha_s: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """min(1, (1 - alpha_s) / alpha_t); nothing is revealed at alpha_t = 0, and 0/0 is 0."""
    return ((1 - alpha_s) / alpha_t.clamp(min=torch.finfo(alpha_t.dtype).tiny)).clamp(max=1)
