"""One token per pass, from left to right behind what is given: by the stream's law.

    x_s ~ stream_s( . | tokens at sigma(0..s-1))          s = number given, ..., L - 1

The reference of everything that is drafted: a language model with its cache. A causal trunk
without windows and tail is nothing else.
"""

from dataclasses import dataclass, field, replace

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.ordered_state import OrderedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class Autoregressive(SamplerRule):
    """One token per pass."""

    name = "autoregressive"
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the law."""

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """Reading order, behind what is given."""
        return ordered_state.begin("left-to-right", given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: OrderedState, predictor: StreamPredictor, draws: Draws
    ) -> tuple[OrderedState, Cost[Counts]]:
        """One pass, one token."""
        first = state.num_revealed
        none = torch.zeros_like(first)
        found = predictor.extend(
            state.token_ids, state.order, first=first, window=none, num_columns=0
        )
        column = columns.of_order(state.order, first, first + 1, width=1)
        drawn = self.filter.draw(found.law_log_probs[:, -1:], column.in_window, draws)
        token_ids = column.write(state.token_ids, drawn)
        cost = Cost(found.work, accepted=none + 1, rejected=none)
        return replace(state, token_ids=token_ids, num_revealed=first + 1), cost
