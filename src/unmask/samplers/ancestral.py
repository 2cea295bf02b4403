"""Ancestral sampling of a masked diffusion: reveal each token at its own random time.

From time t to s < t a masked token is revealed with probability

    (alpha_s - alpha_t) / (1 - alpha_t),

and its value is drawn from the factorised prediction at time t. A prediction depends on the
revealed tokens alone, so while none is revealed it stays what it was and costs no pass.

Sources: Shi et al. (2024), arXiv:2406.04329; Sahoo et al. (2024), arXiv:2406.07524, who reuse
the prediction in this way.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import grids, schedules
from unmask.process.grids import Grid
from unmask.process.schedules import Schedule
from unmask.samplers.common import columns, masked_state, quota
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class Ancestral(SamplerRule):
    """How an ancestral sampler spends its passes."""

    name = "ancestral"
    num_steps: int = 64
    """Steps from all masked to all revealed: trunk passes, at most."""
    grid: Grid = field(default_factory=grids.Cosine)
    """Where the steps lie in time."""
    schedule: Schedule = field(default_factory=schedules.Linear)
    """The share of tokens revealed by time t."""
    prediction: Literal["reused", "fresh"] = "reused"
    """Whether a step before which nothing was revealed costs a pass."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the prediction."""

    def __post_init__(self) -> None:
        quota.check_num_steps("Ancestral", self.num_steps)
        if self.prediction not in ("reused", "fresh"):
            raise ConfigError(
                f"Ancestral.prediction must be 'reused' or 'fresh', got {self.prediction!r}."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked, at time 1."""
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """From one time of the grid to the next."""
        alpha = self.schedule.alpha(self.grid.times(self.num_steps)).to(state.token_ids.device)
        alpha_t, alpha_s = alpha[state.num_steps_taken], alpha[state.num_steps_taken + 1]
        reveal_prob = ((alpha_s - alpha_t) / (1 - alpha_t))[:, None].expand(state.is_masked.shape)
        is_revealed = draws.bernoulli(reveal_prob, where=state.is_masked)
        is_idle = ~is_revealed.any(dim=1)
        if self.prediction == "fresh":
            is_idle = torch.zeros_like(is_idle)
        rows = (~is_idle).nonzero().squeeze(1)
        token_ids = state.token_ids.clone()
        if len(rows):
            window = columns.of_positions(is_revealed[rows])
            draft = predictor.draft(token_ids[rows], window.positions)
            drawn = self.filter.draw(draft.log_probs, window.in_window, draws.rows(rows))
            token_ids[rows] = window.write(token_ids[rows], drawn)

        cost = Cost.of_passes((~is_idle).long(), token_ids, is_revealed.sum(dim=1))
        return state.advanced(token_ids, state.is_masked & ~is_revealed), cost
