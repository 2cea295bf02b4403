"""KLASS: reveal every token whose prediction is confident and has stopped moving.

    x_i ~ p_i,  c_i = p_i(x_i)            at each position that may be revealed, in one pass
    d_i = sum_y p_i(y) log (p_i(y) / p_i'(y))          p' = the prediction of the pass before
    ready = { i : d_i < epsilon in each of the last H passes, c_i > tau }
    reveal ready;  if that is empty, the k of largest c_i

The first prediction of a position has nothing to be compared with, so d_i is infinite: nothing
is ready in the first H passes, whatever epsilon. What may not be revealed yet is not predicted,
so with blocks this is so in each block. (The released code predicts all positions, so that a
later block begins with a history; it makes its first p' zero, which also leaves d_i large.)

For epsilon = inf what follows the first H passes (of a block) is Threshold's rule, with c > tau
in the place of >=, if k = 1. For epsilon = 0, or tau > 1, a pass reveals k tokens.

Source: Kim et al. (2025), arXiv:2511.05664. There k follows from a number of steps.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.batches import padded_with
from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import blocks
from unmask.process.blocks import Blocks
from unmask.samplers.common import masked_state, scores
from unmask.samplers.common.masked_state import MaskedState, Prediction
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds, WindowIds, WindowMask, WindowProbs
from unmask.speculation.filters import Filter


@dataclass(frozen=True)
class KlassState(MaskedState):
    """Sequences of which any positions may be masked, and what was predicted of them."""

    before: Prediction
    """The prediction of the pass before: V numbers per position. No real columns at first."""
    num_stable: Int[Tensor, "B L"] = field(metadata=padded_with(0))
    """Passes in a row, up to the last, in which the prediction of a position hardly moved."""


@dataclass(frozen=True, kw_only=True)
class Klass(SamplerRule):
    """How confident and stable a prediction must be. Defaults: the paper's for LLaDA on MATH."""

    name = "klass"
    threshold: float = 0.6
    """tau: the confidence above which a token may be revealed."""
    kl_bound: float = 0.01
    """epsilon, in nats: how little a stable prediction moves from one pass to the next."""
    history: int = 2
    """H: passes in a row in which a prediction must have been stable."""
    fallback: int = 1
    """k: tokens revealed by a pass after which none is ready."""
    blocks: Blocks = field(default_factory=blocks.Whole)
    """Which of the masked positions may be revealed now."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of what is drawn; all else is the predictor's own."""

    def __post_init__(self) -> None:
        if not self.threshold >= 0:
            raise ConfigError(
                f"Klass.threshold must be a number of at least 0, got {self.threshold}: it is the "
                "probability above which a token may be revealed. 0.6 is a good start."
            )
        if not self.kl_bound >= 0:
            raise ConfigError(
                f"Klass.kl_bound must be a number of at least 0, got {self.kl_bound}: it is how "
                "many nats a stable prediction may move. 0.01 is a good start, inf asks nothing."
            )
        if self.history < 1:
            raise ConfigError(
                f"Klass.history must be at least 1, got {self.history}: a prediction is stable "
                "over a pass or more. For no such condition use `Threshold(...)`."
            )
        if self.fallback < 1:
            raise ConfigError(
                f"Klass.fallback must be at least 1, got {self.fallback}: a pass that finds no "
                "token ready must still reveal one, or the next would find the same."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> KlassState:
        """All that is not given is masked, and nothing is predicted yet."""
        state = masked_state.start(given_ids, mask_id=mask_id)
        nothing = masked_state.no_prediction(given_ids, mask_id=mask_id)
        return KlassState(**vars(state), before=nothing, num_stable=torch.zeros_like(given_ids))

    def step(
        self, state: KlassState, predictor: Predictor, draws: Draws
    ) -> tuple[KlassState, Cost[Counts]]:
        """One pass, and the tokens of it that are ready."""
        candidates = self.blocks.candidates(state.is_masked, state.origin)
        now = masked_state.propose(predictor, state.token_ids, candidates, self.filter, draws)
        window = now.window
        is_stable = movement(now, state.before, state.is_masked.shape[1]) < self.kl_bound
        num_stable = (state.num_stable.gather(1, window.positions) + 1) * is_stable
        is_chosen = self._choose(now.confidence, num_stable, window.in_window)
        revealed, cost = masked_state.reveal(state, window, is_chosen, now.token_ids)
        noted = window.write(state.num_stable, num_stable)
        before = Prediction(window, now.log_probs)
        return KlassState(**vars(revealed), before=before, num_stable=noted), cost

    def _choose(
        self, confidence: WindowProbs, num_stable: WindowIds, in_window: WindowMask
    ) -> WindowMask:
        is_ready = (num_stable >= self.history) & (confidence > self.threshold) & in_window
        is_surest = (scores.rank(confidence, in_window) < self.fallback) & in_window
        return torch.where(is_ready.any(dim=1, keepdim=True), is_ready, is_surest)


def movement(now: Prediction, before: Prediction, length: int) -> WindowProbs:
    """KL(now || before) at each column of `now`, in nats; inf where `before` has none."""
    places = before.window.positions
    column = torch.arange(places.shape[1], device=places.device).expand_as(places)
    nowhere = places.new_full((len(places), length), -1)
    column = before.window.write(nowhere, column).gather(1, now.window.positions)
    index = column.clamp(min=0)[..., None].expand_as(now.log_probs)
    log_now, log_before = now.log_probs.double(), before.log_probs.double().gather(1, index)
    # What has probability 0 now adds nothing, whatever it had before.
    terms = (log_now.exp() * (log_now - log_before)).masked_fill(log_now == -torch.inf, 0.0)
    return terms.sum(dim=-1).clamp(min=0.0).masked_fill(column < 0, torch.inf)
