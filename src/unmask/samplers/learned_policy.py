"""A learned policy: a small network says, pass by pass, which positions are revealed.

At time t, the share of the wanted positions that is still masked, with c_i the probability of
the most probable token at i and m_i whether i is masked, the policy says b = policy(c, m, t), and

    s_i = min(1, boldness * sigmoid(b_i / T)),    u_i ~ Bernoulli(s_i)      at each masked i
    reveal { i : u_i = 1 },  or argmax_i b_i if there is none,  with x_i ~ p_i.

Only positions are chosen, never tokens: given the positions, tokens follow the predictor, sure
of them or not. (`threshold` keeps a token for its own probability.)

With boldness = T = 1 the set R that is revealed has the probability

    prod_{i in R} s_i  prod_{i not in R} (1 - s_i)   +   [R = {argmax b}]  prod_i (1 - s_i),

which is differentiable in b, and what the policy is trained by
(training/parts/policy_gradient.py).

Source: Jazbec et al. (2025), arXiv:2512.09106, there at temperature 0 of the tokens.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.samplers.common import masked_state, scores
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import PAD, Counts, TokenIds
from unmask.speculation.filters import Filter


@runtime_checkable
class UnmaskingPolicy(Protocol):
    """A judge of which positions are ripe."""

    def __call__(
        self,
        confidence: Float[Tensor, "B L"],
        is_masked: Bool[Tensor, "B L"],
        time: Float[Tensor, " B"],
    ) -> Float[Tensor, "B L"]:
        """b by position: higher where revealing is better; it may be infinite.

        `confidence` is c, 1 where nothing is masked, and PAD where no position is; there b does
        not matter.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LearnedPolicy(SamplerRule):
    """How a learned policy is followed."""

    name = "learned-policy"
    policy: UnmaskingPolicy
    """Says which positions are ripe; `TextModel.policy()` is one trained for that model."""
    boldness: float = 1.0
    """Multiplies the probabilities of being revealed: above 1 takes fewer passes, 0 reveals one
    token per pass."""
    policy_temperature: float = 1.0
    """T: divides what the policy says; near 0 every position of positive b is revealed."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of what is drawn; the confidence is the predictor's own."""

    def __post_init__(self) -> None:
        if not 0 <= self.boldness < math.inf:
            raise ConfigError(
                f"LearnedPolicy.boldness must be a number of at least 0, got {self.boldness}: it "
                "multiplies the probability of being revealed. 1 follows the policy as trained, "
                "2 about halves the passes."
            )
        if not 0 < self.policy_temperature < math.inf:
            raise ConfigError(
                "LearnedPolicy.policy_temperature must be a positive number, got "
                f"{self.policy_temperature}: it divides what the policy says. 1 follows the "
                "policy as trained."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """One pass, and the tokens that the policy lets through."""
        found = masked_state.predict(predictor, state.token_ids, state.is_masked)
        window = found.window
        surest = found.log_probs.amax(dim=-1).exp().double()
        # The columns of a row are different positions, and those not real are not masked.
        confidence = torch.ones(state.token_ids.shape, dtype=surest.dtype, device=surest.device)
        confidence.scatter_(1, window.positions, surest.masked_fill(~window.in_window, 1.0))
        confidence.masked_fill_(state.token_ids == PAD, PAD)
        time = state.num_masked.double() / state.num_wanted
        with torch.no_grad():
            logits = self.policy(confidence, state.is_masked, time).double()
        logits = logits.gather(1, window.positions)

        probs = (self.boldness * torch.sigmoid(logits / self.policy_temperature)).clamp(max=1)
        is_chosen = draws.bernoulli(probs, where=window.in_window)
        is_best = scores.rank(logits, window.in_window) == 0
        is_chosen = is_chosen | (is_best & ~is_chosen.any(dim=1, keepdim=True))
        token_ids = self.filter.draw(found.log_probs, is_chosen, draws)
        return masked_state.reveal(state, window, is_chosen, token_ids)


def reveal_log_prob(
    logits: Float[Tensor, "B L"], is_masked: Bool[Tensor, "B L"], is_revealed: Bool[Tensor, "B L"]
) -> Float[Tensor, " B"]:
    """The log-probability of what a step reveals, at boldness 1 and temperature 1.

    `is_revealed` holds at one masked position or more. The best position revealed alone stands
    for two cases, that it was drawn and that nothing was; together they leave the others:
    log prod_{i not in R} (1 - s_i).
    """
    is_best = scores.rank(logits, is_masked) == 0
    is_best_alone = (is_revealed == (is_best & is_masked)).all(dim=1, keepdim=True)
    log_probs = torch.where(is_revealed, F.logsigmoid(logits), F.logsigmoid(-logits))
    return log_probs.masked_fill(~is_masked | (is_revealed & is_best_alone), 0.0).sum(dim=1)
