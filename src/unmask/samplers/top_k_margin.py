"""Top-k by margin: reveal the positions whose best token is furthest ahead of the next.

Each masked position is scored by p(1) - p(2), the gap between its two most probable tokens. The
grid says how many positions a step reveals (samplers/quota.py); their tokens are drawn from the
prediction. Unlike the confidence of one token, the margin is low where two tokens compete.

Source: Kim et al. (2025), arXiv:2502.06768, section 4.
"""

from dataclasses import dataclass, field

import torch

from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.process import grids
from unmask.process.grids import Grid
from unmask.samplers import masked, quota, scores
from unmask.samplers.masked import MaskedState
from unmask.samplers.sampler import StepInfo
from unmask.shapes import TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class TopKMargin:
    """How a top-k sampler that ranks by margin spends its passes."""

    num_steps: int = 64
    """Passes from all masked to all revealed, at most."""
    grid: Grid = field(default_factory=grids.Cosine)
    """Which share of the tokens is left masked after each step."""
    choice_temperature: float = 0.0
    """0 takes the widest margins; above, positions are drawn from softmax(margin / it)."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the tokens; the margin is the predictor's own."""

    def __post_init__(self) -> None:
        quota.check_num_steps("TopKMargin", self.num_steps)
        quota.check_choice_temperature("TopKMargin", self.choice_temperature)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, StepInfo]:
        """Positions chosen first, then a token for each."""
        prediction = masked.predict(predictor, state.token_ids, state.is_masked)
        score = scores.margin(prediction.log_probs)
        is_chosen = quota.choose(
            score,
            prediction.window.in_window,
            quota.of_grid(self.grid, self.num_steps, state),
            temperature=torch.full_like(score[:, 0], self.choice_temperature),
            draws=draws,
        )
        token_ids = draws.categorical(self.filter(prediction.log_probs), is_chosen)
        return masked.reveal(state, prediction.window, is_chosen, token_ids)
