"""Star-shaped sampling: guess everything, then choose afresh what stays masked.

Until time t_on this is ancestral sampling. From then on, of D positions that are wanted, a step
to time s draws a token at each masked one and keeps the tokens of the others; then it masks

    N = ceil((1 - alpha_s) D)

of them all, whether they were masked before or not. They are drawn one after another, without
replacement, with probability proportional to exp(e / T), where e scores how likely the token at
a position is an error; T = 0 takes the N highest e. Without a trained predictor of errors,

    e = -log c,    c = the probability that the predictor gave the token when it was drawn.

A trained one (network/error_head.py) looks at the whole guess instead, which takes one more
pass in each star-shaped step but the last, in which nothing is masked.

Source: Meshchaninov et al. (2025), arXiv:2510.08369, who train it; confidence in its place is
from their ablations. They add Gumbel noise to e / T and take the N highest, which is the same
law (samplers/common/subsets.py).
"""

from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import grids, schedules
from unmask.process.grids import Grid
from unmask.process.schedules import Schedule
from unmask.samplers.common import quota, revisable_state
from unmask.samplers.common.revisable_state import Guess, RevisableState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@runtime_checkable
class ErrorPredictor(Protocol):
    """A judge of sequences without masks."""

    @property
    def trunk_passes(self) -> int:
        """Passes through the trunk of the model that judging a sequence takes."""
        ...

    def __call__(
        self, guess_ids: TokenIds, confidence: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B L"]:
        """e by position: higher where the token is more likely wrong, and finite.

        `confidence` is c, and inf at positions that are given, where e does not matter. What is
        said of a sequence may depend on that sequence alone, never on others of the batch.
        """
        ...


@dataclass(frozen=True)
class LowConfidence:
    """e = -log c."""

    @property
    def trunk_passes(self) -> int:
        """None: c was there already."""
        return 0

    def __call__(
        self, guess_ids: TokenIds, confidence: Float[Tensor, "B L"]
    ) -> Float[Tensor, "B L"]:
        return -confidence.clamp(min=_SMALLEST).log()


@dataclass(frozen=True, kw_only=True)
class StarShaped(SamplerRule):
    """How a star-shaped sampler spends its passes."""

    name = "star-shaped"
    takes_back = True
    num_steps: int = 64
    """Steps from all masked to all revealed: trunk passes, at most, but for the predictor of
    errors."""
    grid: Grid = field(default_factory=grids.Linear)
    """Where the steps lie in time."""
    schedule: Schedule = field(default_factory=schedules.Linear)
    """The share of tokens revealed by time t."""
    t_on: float = 0.55
    """Steps from this time on are star-shaped, those before ancestral; 0 makes all ancestral."""
    error_predictor: ErrorPredictor = field(default_factory=LowConfidence)
    """Says which tokens are likely wrong."""
    choice_temperature: float = 1.0
    """T: how freely what is masked is chosen; 0 always takes what is most likely wrong."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the prediction."""

    def __post_init__(self) -> None:
        quota.check_num_steps("StarShaped", self.num_steps)
        quota.check_choice_temperature("StarShaped", self.choice_temperature)
        if not 0 <= self.t_on <= 1:
            raise ConfigError(
                f"StarShaped.t_on must lie between 0 and 1, got {self.t_on}: it is a time, and "
                "time falls from 1 to 0. 0 is ancestral sampling, 1 star-shaped from the start."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> RevisableState:
        """All that is not given is masked, at time 1."""
        return revisable_state.start(given_ids, mask_id=mask_id, num_steps=self.num_steps)

    def step(
        self, state: RevisableState, predictor: Predictor, draws: Draws
    ) -> tuple[RevisableState, Cost[Counts]]:
        """From one time of the grid to the next."""
        times = self.grid.times(self.num_steps)
        alpha = self.schedule.alpha(times).to(state.token_ids.device)
        alpha_t, alpha_s = alpha[state.num_steps_taken], alpha[state.num_steps_taken + 1]
        is_star = (times.to(alpha.device)[state.num_steps_taken] <= self.t_on)[:, None]

        is_masked = state.is_masked
        reveal_prob = ((alpha_s - alpha_t) / (1 - alpha_t))[:, None].expand(is_masked.shape)
        is_guessed = draws.bernoulli(reveal_prob, where=is_masked & ~is_star)
        is_guessed = is_guessed | (is_masked & is_star)
        guess = revisable_state.guess(state, is_guessed, predictor, draws, self.filter)

        num_wanted = (~state.is_given).sum(dim=1)
        # A whole number may come out an ulp too high; the margin keeps it from being rounded up.
        num_masked = torch.ceil((1 - alpha_s) * num_wanted - 1e-9).long() * is_star.squeeze(1)
        guess, errors = self._judged(guess, num_masked > 0)
        is_masked_again = quota.choose(
            errors,
            ~state.is_given,
            num_masked,
            temperature=torch.full_like(alpha_s, self.choice_temperature),
            draws=draws,
        )
        is_masked = (is_masked & ~is_guessed) | is_masked_again
        return revisable_state.settle(state, guess, is_masked, mask_id=predictor.vocab_size)

    def _judged(
        self, guess: Guess, is_asked: Bool[Tensor, " B"]
    ) -> tuple[Guess, Float[Tensor, "B L"]]:
        """The guess with its cost so far, and e; 0 for sequences not asked about."""
        errors = torch.zeros_like(guess.confidence)
        rows = is_asked.nonzero().squeeze(1)
        if len(rows):
            judged = self.error_predictor(guess.token_ids[rows], guess.confidence[rows])
            errors[rows] = judged.to(errors.dtype)
        passes = guess.trunk_passes + self.error_predictor.trunk_passes * is_asked
        return replace(guess, trunk_passes=passes), errors


# A filter of high temperature can draw tokens whose own probability float64 cannot hold.
_SMALLEST = torch.finfo(torch.float64).tiny
