"""MaskGIT: draw a token at every masked position, keep the ones the predictor is surest of.

A step draws x_i from the prediction at each masked position i, scores it by log p(x_i), and
reveals as many as the grid says (samplers/quota.py); the others stay masked. The choice may be
noisy: in step k of T it is made at the temperature

    choice_temperature (1 - k/T),

so that early positions are spread out.

Source: Chang et al. (2022), arXiv:2202.04200, section 3.2; the noise as in their code.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

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
class MaskGIT:
    """How a MaskGIT sampler spends its passes."""

    num_steps: int = 64
    """Passes from all masked to all revealed, at most."""
    grid: Grid = field(default_factory=grids.Cosine)
    """Which share of the tokens is left masked after each step."""
    choice_temperature: float = 0.0
    """Noise in the choice of positions at first; 0 takes the surest, the source's code has 1."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the tokens; confidence is the predictor's own."""

    def __post_init__(self) -> None:
        quota.check_num_steps("MaskGIT", self.num_steps)
        quota.check_choice_temperature("MaskGIT", self.choice_temperature)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, StepInfo]:
        """Tokens everywhere, of which the surest stay."""
        prediction = masked.predict(predictor, state.token_ids, state.is_masked)
        in_window = prediction.window.in_window
        token_ids = draws.categorical(self.filter(prediction.log_probs), in_window)
        confidence = scores.confidence(prediction.log_probs, token_ids)
        is_chosen = quota.choose(
            confidence.clamp(min=_SMALLEST).log(),
            in_window,
            quota.of_grid(self.grid, self.num_steps, state),
            temperature=self._temperature(state),
            draws=draws,
        )
        return masked.reveal(state, prediction.window, is_chosen, token_ids)

    def _temperature(self, state: MaskedState) -> Float[Tensor, " B"]:
        share_done = (state.num_steps_taken + 1).double() / self.num_steps
        return self.choice_temperature * (1 - share_done)


# A filter of high temperature can draw tokens whose own probability float64 cannot hold.
_SMALLEST = torch.finfo(torch.float64).tiny
