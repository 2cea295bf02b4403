"""How many positions a step reveals, and which: the choice of samplers that keep to a quota.

How many (`of_grid`): of L positions wanted, floor(t_k L) stay masked after the k-th of T steps,
or one fewer than before if that is less. Grids that nowhere lie below the linear one (cosine,
polynomial with e >= 1) take min(T, L) steps. On Dream's grid it is floor(m (1 - t_k / t_k-1)) of
the m masked by then, which is 0 in steps that reveal nothing (process/grids.py).

Which (`choose`): the n columns of the highest score or, at a choice temperature above 0, n
columns drawn one after another, without replacement, from

    softmax(score / temperature)   over the columns that are left.

To add Gumbel noise times the temperature to each score and take the n highest has the same law
(samplers/common/subsets.py).

Source: Chang et al. (2022), arXiv:2202.04200, sections 3.2 and 3.3, and their code for the noise.
"""

import math
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.process import grids
from unmask.process.grids import Grid
from unmask.samplers.common import masked_state, scores, subsets
from unmask.samplers.common.masked_state import MaskedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds, WindowMask, WindowProbs
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class Quota(SamplerRule):
    """What samplers that keep to the quota of a grid choose alike, and how they begin."""

    num_steps: int = 64
    """Passes from all masked to all revealed, at most."""
    grid: Grid = field(default_factory=grids.Cosine)
    """Which share of the tokens is left masked after each step."""
    choice_temperature: float = 0.0
    """T, the noise in the choice of positions; 0 takes those of the highest score."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the tokens; scores are of the predictor's own distribution."""

    def __post_init__(self) -> None:
        check_num_steps(type(self).__name__, self.num_steps)
        check_choice_temperature(type(self).__name__, self.choice_temperature)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> MaskedState:
        """All that is not given is masked."""
        return masked_state.start(given_ids, mask_id=mask_id)


def of_grid(grid: Grid, num_steps: int, state: MaskedState) -> Counts:
    """How many positions the next step reveals."""
    times = grid.times(num_steps).to(state.token_ids.device)
    if getattr(grid, "leaves_by_ratio", False):
        now, then = (times[state.num_steps_taken + n].float() for n in (0, 1))
        return (state.num_masked * (1 - then / now)).long()
    share_left = times[state.num_steps_taken + 1]
    num_left = (share_left * state.num_wanted + _ROUNDING).floor().long()
    return (state.num_masked - num_left).clamp(min=1)


_ROUNDING = 1e-9  # t_k L may fall short of a whole number, as (1 - 9/10) 10 does


def choose(
    score: WindowProbs,
    in_window: WindowMask,
    num_chosen: Counts,
    *,
    temperature: Float[Tensor, " B"],
    draws: Draws,
) -> WindowMask:
    """As many columns of each row as asked for, of those in the window; scores are finite."""
    is_noisy = temperature > 0
    top = scores.top(score, in_window, num_chosen.masked_fill(is_noisy, 0))
    log_weights = (score / temperature.clamp(min=_COLDEST)[:, None]).masked_fill(
        ~in_window, -math.inf
    )
    return top | subsets.draw(log_weights, num_chosen.masked_fill(~is_noisy, 0), draws)


_COLDEST = 1e-300  # dividing by less overflows float64; what is left is the highest score anyway


def check_num_steps(sampler: str, num_steps: int) -> None:
    """Raise `ConfigError` unless there is a step."""
    if num_steps < 1:
        raise ConfigError(
            f"{sampler}.num_steps must be at least 1, got {num_steps}: no token is revealed "
            "without a step. 64 is a good start for 256 tokens."
        )


def check_choice_temperature(sampler: str, temperature: float) -> None:
    """Raise `ConfigError` unless scores can be divided by it; 0 stands for no noise."""
    if not 0 <= temperature < math.inf:
        raise ConfigError(
            f"{sampler}.choice_temperature must be a number of at least 0, got {temperature}: it "
            "divides the scores that positions are chosen by. 0 always takes the highest."
        )
