"""Fast-dLLM's factor rule: the more tokens are revealed at once, the surer each must be.

    x_i ~ p_i,  c_i = p_i(x_i)            at each position that may be revealed, in one pass
    c_(1) >= c_(2) >= ...                 the confidences, sorted
    reveal the n surest for the largest n with  (n + 1) (1 - c_(n)) < f,  at least one

Both n + 1 and 1 - c_(n) never fall as n grows, so the inequality holds up to this n and fails
beyond it: each rank can be asked on its own. For f = 1 and tokens that are the most probable
ones, the tokens revealed together are also the most probable ones together: if n tokens have
p_i(x_i) > 1 - eps each and (n + 1) eps <= 1, the joint distribution has its mode there too.

The loop released with the paper reveals one token too many where only the last candidate fails
(with two candidates left: always both), and lets equality pass; we follow the inequality.

Source: Wu et al. (2025), arXiv:2505.22618 (Fast-dLLM), section 3.3 and Theorem 1.
"""

from dataclasses import dataclass, field

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Predictor
from unmask.process import blocks
from unmask.process.blocks import Blocks
from unmask.samplers.common import masked_state, scores
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds, WindowMask, WindowProbs
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class Factor(SamplerRule):
    """How much doubt the tokens revealed by one pass may share."""

    name = "factor"
    factor: float = 1.0
    """f; 0 is one token per pass, inf all at once. Certain tokens (c = 1) cost nothing."""
    blocks: Blocks = field(default_factory=blocks.Whole)
    """Which of the masked positions may be revealed now."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of what is drawn; the confidence is the predictor's own."""

    def __post_init__(self) -> None:
        if not self.factor >= 0:
            raise ConfigError(
                f"Factor.factor must be a number of at least 0, got {self.factor}: it bounds the "
                "doubt that the tokens of one pass share. 1 is what the theorem of Fast-dLLM "
                "allows; less is more careful, more is faster."
            )

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked_state.start(given_ids, mask_id=mask_id)

    def step(
        self, state: MaskedState, predictor: Predictor, draws: Draws
    ) -> tuple[MaskedState, Cost[Counts]]:
        """One pass, and the tokens of it that are sure enough together."""
        candidates = self.blocks.candidates(state.is_masked, state.origin)
        found = masked_state.propose(predictor, state.token_ids, candidates, self.filter, draws)
        is_chosen = sure_together(found.confidence, found.window.in_window, self.factor)
        return masked_state.reveal(state, found.window, is_chosen, found.token_ids)


def sure_together(confidence: WindowProbs, in_window: WindowMask, factor: float) -> WindowMask:
    """The n surest columns of each row, for the largest n that the factor allows."""
    n = scores.rank(confidence, in_window) + 1
    doubt = (1 - confidence).clamp(min=0.0)  # rounding can put a probability above 1
    return ((n == 1) | ((n + 1) * doubt < factor)) & in_window
