"""MaskGIT: draw a token at every masked position, keep the ones the predictor is surest of.

A step draws x_i from the prediction at each masked position i, scores it by log p(x_i), and
reveals as many as the grid says (samplers/common/quota.py); the others stay masked. The choice
may be noisy: in step k of T it is made at the temperature

    choice_temperature (1 - k/T),

so that early positions are spread out.

Source: Chang et al. (2022), arXiv:2202.04200, section 3.2; the noise as in their code.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.samplers.common import masked_state, quota
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.common.quota import Quota
from unmask.shapes import Counts


@dataclass(frozen=True, kw_only=True)
class MaskGIT(Quota):
    """How a MaskGIT sampler spends its passes; the source's code has choice_temperature 1."""

    name = "maskgit"

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """Tokens everywhere, of which the surest stay."""
        found = masked_state.propose(
            predictor, state.token_ids, state.is_masked, self.filter, draws
        )
        is_chosen = quota.choose(
            found.confidence.clamp(min=_SMALLEST).log(),
            found.window.in_window,
            quota.of_grid(self.grid, self.num_steps, state),
            temperature=self._temperature(state),
            draws=draws,
        )
        return masked_state.reveal(state, found.window, is_chosen, found.token_ids)

    def _temperature(self, state: MaskedState) -> Float[Tensor, " B"]:
        share_done = (state.num_steps_taken + 1).double() / self.num_steps
        return self.choice_temperature * (1 - share_done)


# A filter of high temperature can draw tokens whose own probability float64 cannot hold.
_SMALLEST = torch.finfo(torch.float64).tiny
