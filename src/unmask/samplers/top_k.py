"""Top-k: reveal the positions whose prediction scores highest, whatever token is drawn there.

    margin     p(1) - p(2), how far the most probable token is ahead of the next; low where two
               tokens compete
    entropy    -H, minus the entropy of the prediction

The grid says how many positions a step reveals (samplers/common/quota.py). They are chosen first,
and their tokens are drawn from the prediction.

Sources: margin, Kim et al. (2025), arXiv:2502.06768, section 4; entropy, Ye et al. (2025),
arXiv:2508.15487, whose code calls it "entropy".
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.samplers.common import masked_state, quota, scores
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.common.quota import Quota
from unmask.shapes import Counts, WindowLogProbs, WindowProbs


@dataclass(frozen=True, kw_only=True)
class TopK(Quota, ABC):
    """How a top-k sampler spends its passes; positions are drawn from softmax(score / T)."""

    @abstractmethod
    def score(self, log_probs: WindowLogProbs) -> WindowProbs:
        """Higher where a position should be revealed sooner."""

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """Positions chosen first, then a token for each."""
        prediction = masked_state.predict(predictor, state.token_ids, state.is_masked)
        score = self.score(prediction.log_probs)
        is_chosen = quota.choose(
            score,
            prediction.window.in_window,
            quota.of_grid(self.grid, self.num_steps, state),
            temperature=torch.full_like(score[:, 0], self.choice_temperature),
            draws=draws,
        )
        token_ids = self.filter.draw(prediction.log_probs, is_chosen, draws)
        return masked_state.reveal(state, prediction.window, is_chosen, token_ids)


@dataclass(frozen=True, kw_only=True)
class TopKMargin(TopK):
    """Top-k by the margin of the most probable token."""

    name = "top-k-margin"

    def score(self, log_probs: WindowLogProbs) -> WindowProbs:
        return scores.margin(log_probs)


@dataclass(frozen=True, kw_only=True)
class TopKEntropy(TopK):
    """Top-k by the lowest entropy."""

    name = "top-k-entropy"

    def score(self, log_probs: WindowLogProbs) -> WindowProbs:
        return -scores.entropy(log_probs)
