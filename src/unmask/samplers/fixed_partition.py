"""Ancestral sampling with a fixed partition: an order cut into groups, one pass for each.

    i = tokens revealed                                # a step: one trunk pass
    draft = trunk(revealed tokens);  w = i + W(i)
    x_d ~ draft_d, independently, for d = i+1..w       # all of them are kept

A group is the window that starts where the last one ended, so the groups are known before the
first token is: with g_0 = 0, g_{m+1} = g_m + W(g_m), and draft_m the draft given the tokens of
the groups before,

    p(x | order) = prod_m  prod_{g_m < d <= g_{m+1}} draft_m(x_d).

This is the law of the self-speculative sampler if it trusted every draft (no verify rounds);
with groups of one token each it is masked diffusion, one token per pass. What sets it apart
from `Ancestral`: there chance decides how many tokens a step reveals, here a window does.

Source: parallel ancestral sampling, Shi et al. (2024), arXiv:2406.04329; the windows are those
of Campbell et al. (2025), arXiv:2510.03929.
"""

from dataclasses import dataclass, field, replace

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.process.windows import Cosine, Window, check_is_window
from unmask.samplers.common import ordered_state
from unmask.samplers.common.ordered_state import OrderChoice, OrderedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class FixedPartition(SamplerRule):
    """How a sampler that keeps every draft spends its passes."""

    name = "fixed-partition"
    window: Window = field(default_factory=lambda: Cosine(0.04))
    """How many tokens one pass reveals."""
    order: OrderChoice = "random"
    """In which order positions are revealed."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the draft."""

    def __post_init__(self) -> None:
        check_is_window(self.window)
        ordered_state.check_is_choice(self.order)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """A new order for each sequence, with what is given at its front."""
        return ordered_state.begin(self.order, given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: OrderedState, predictor: Predictor, draws: Draws
    ) -> tuple[OrderedState, Cost[Counts]]:
        """One pass, and a token for every place of its group."""
        opening = ordered_state.open_window(self.order, state, predictor, self.window)
        state, window = opening.state, opening.window
        drawn = self.filter.draw(opening.draft.log_probs, window.in_window, draws)
        token_ids = window.write(state.token_ids, drawn)
        accepted = opening.stop - state.num_revealed
        cost = Cost.of_passes(torch.ones_like(accepted), token_ids, accepted)
        return replace(state, token_ids=token_ids, num_revealed=opening.stop), cost
