"""EB-Sampler: reveal as many tokens as share little information, by a bound on it.

    H_i = -sum_y p_i(y) log p_i(y)        at each position that may be revealed, in one pass
    sort the positions, those first where the predictor is likely to be right
    U = the longest prefix with  sum_{i in U} H_i - max_{i in U} H_i <= gamma   (nats)
    x_i ~ p_i, independently, for i in U

The left side bounds what drawing independently costs: the tokens of U have at most this much
information about each other. In the sorted order it is

    sum_{k >= 2} min(H_(k), max_{j < k} H_(j)),

since a position adds its own entropy, or, if that is the largest yet, the largest before. No
term is negative, so the bound holds up to the end of U and fails beyond it; and no large terms
cancel, so a small entropy is not lost to rounding. The first position costs nothing: U has at
least one.

Source: Ben-Hamu et al. (2025), arXiv:2505.24857, equations 1 and 2.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import blocks
from unmask.process.blocks import Blocks
from unmask.samplers.common import masked_state, scores
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds, WindowLogProbs, WindowMask, WindowProbs
from unmask.speculation.filters import Filter

Ranking = Literal["entropy", "confidence", "margin"]
"""Lowest entropy first, largest probability first, or largest margin of the two largest."""


@dataclass(frozen=True, kw_only=True)
class EntropyBounded(SamplerRule):
    """How much information the tokens of one pass may share."""

    name = "entropy-bounded"
    bound: float = 0.1
    """gamma, in nats; inf is all at once, 0 one token per pass, unless entropies are 0.

    Positions of entropy 0 are revealed together with one other, which is exact. With 0.1 Dream
    7B took a third of the passes on MBPP, 58.6 % right against 58.8 % (table 1 of the paper).
    """
    ranking: Ranking = "entropy"
    """What says where the predictor is likely to be right."""
    blocks: Blocks = field(default_factory=blocks.Whole)
    """Which of the masked positions may be revealed now."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of what is drawn; entropies are the predictor's own."""

    def __post_init__(self) -> None:
        if not self.bound >= 0:
            raise ConfigError(
                f"EntropyBounded.bound must be a number of at least 0, got {self.bound}: it is "
                "how many nats the tokens of one pass may share. 0.1 is careful, 1 is fast, inf "
                "reveals everything at once."
            )
        if self.ranking not in get_args(Ranking):
            raise ConfigError(
                "EntropyBounded.ranking must be 'entropy', 'confidence' or 'margin', got "
                f"{self.ranking!r}: it says which positions come first. Start with 'entropy'."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """One pass, and tokens at the positions that the bound allows."""
        candidates = self.blocks.candidates(state.is_masked, state.origin)
        prediction = masked_state.predict(predictor, state.token_ids, candidates)
        window, log_probs = prediction.window, prediction.log_probs
        entropy = scores.entropy(log_probs)
        score = self._score(log_probs, entropy)
        is_chosen = within_bound(score, entropy, window.in_window, self.bound)
        drawn = self.filter.draw(log_probs, is_chosen, draws)
        return masked_state.reveal(state, window, is_chosen, drawn)

    def _score(self, log_probs: WindowLogProbs, entropy: WindowProbs) -> WindowProbs:
        if self.ranking == "entropy":
            return -entropy
        if self.ranking == "margin":
            return scores.margin(log_probs)
        # No token is drawn yet: this is the confidence that the most probable one would have.
        return scores.confidence(log_probs, log_probs.argmax(dim=-1))


def within_bound(
    score: WindowProbs, entropy: WindowProbs, in_window: WindowMask, bound: float
) -> WindowMask:
    """U: the longest prefix of the columns, highest score first, that the bound allows."""
    rank = scores.rank(score, in_window)
    entropy = entropy.clamp(min=0.0)  # rounding can put it below
    falling = torch.zeros_like(entropy).scatter(1, rank, entropy)
    largest_before = falling.cummax(dim=1).values.roll(1, dims=1)
    largest_before[:, 0] = 0.0
    shared = torch.minimum(falling, largest_before).cumsum(dim=1)
    return (shared.gather(1, rank) <= bound) & in_window
