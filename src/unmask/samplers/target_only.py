"""Sampling from the target alone: tokens of a window one at a time, a tail pass for each.

The law is that of the self-speculative sampler with as many verify rounds as the window has
tokens: each window is autoregressive, along the order, under the hidden states of its trunk
pass. With the window `Whole()` a single trunk pass serves the whole sequence.

Source: the limit N >= W of Campbell et al. (2025), arXiv:2510.03929, Algorithm 1.
"""

from dataclasses import dataclass, field, replace

import torch

from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.predictors.protocol import HybridPredictor
from unmask.process.windows import Whole, Window, check_is_window
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.ordered_state import OrderChoice, OrderedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class TargetOnly(SamplerRule):
    """How a target-only sampler spends its passes."""

    name = "target-only"
    needs_tail = True
    why_no_cache = "a causal tail reads what a whole pass of its trunk says"
    window: Window = field(default_factory=Whole)
    """How many tokens are drawn under the hidden states of one trunk pass."""
    order: OrderChoice = "random"
    """In which order positions are revealed."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the target."""

    def __post_init__(self) -> None:
        check_is_window(self.window)
        ordered_state.check_is_choice(self.order)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """A new order for each sequence, with what is given at its front."""
        return ordered_state.begin(self.order, given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: OrderedState, predictor: HybridPredictor, draws: Draws
    ) -> tuple[OrderedState, Cost[Counts]]:
        """One trunk pass, then the tokens of its window, one by one."""
        opening = ordered_state.open_window(self.order, state, predictor, self.window)
        state, draft, stop = opening.state, opening.draft, opening.stop
        first = state.num_revealed
        token_ids, settled, tail_passes = state.token_ids, first.clone(), first * 0
        rows = torch.arange(len(first), device=first.device)
        is_opening = True
        while len(rows):
            if is_opening and predictor.first_target_is_draft:
                target_log_probs = draft.log_probs[:, :1]
            else:
                target_log_probs = predictor.verify(
                    draft,
                    filled_ids=token_ids[rows],
                    order=state.order[rows],
                    first=settled[rows],
                    num_columns=1,
                )
                tail_passes[rows] += 1
            column = columns.of_order(state.order[rows], settled[rows], stop[rows], width=1)
            drawn = self.filter.draw(target_log_probs, column.in_window, draws.rows(rows))
            token_ids = token_ids.clone()
            token_ids[rows] = column.write(token_ids[rows], drawn)
            settled[rows] += 1
            unsettled = (settled[rows] < stop[rows]).nonzero().squeeze(1)
            if len(unsettled) < len(rows):
                rows, draft = rows[unsettled], predictor.select(draft, unsettled)
            is_opening = False

        cost = Cost(
            Work.whole(torch.ones_like(first), state.length),
            accepted=settled - first,
            rejected=torch.zeros_like(first),
            tail=Work(tail_passes, tail_passes, torch.zeros_like(first)),
        )
        return replace(state, token_ids=token_ids, num_revealed=settled), cost
