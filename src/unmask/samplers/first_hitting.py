"""First-hitting sampling: one token per pass, at the time when the next one is unmasked.

Let tau_n be the time with n tokens left to unmask, as the share that is then masked on average
(the linear schedule; on another, tau stands for 1 - alpha). Each of the n has a time of its own,
uniform on [0, tau_n], and the latest comes first:

    tau_{n-1} = tau_n u^{1/n},   u uniform on [0, 1],

since P(all n times < x tau_n) = x^n. It belongs to each of the n positions with the same
probability, and its token is drawn from the prediction at that time.

A predictor has no time among its inputs, so neither position nor token depends on these times
and they are not drawn: what is left is an order, uniformly random, followed one token at a time,

    p(x) = mean over orders sigma of prod_d draft(x_sigma(d) | x_sigma(<d)).

The law is the limit of the ancestral sampler as its steps grow in number; a pass per token
reaches it.

Source: Zheng et al. (2024), arXiv:2409.02908.
"""

from dataclasses import dataclass, field, replace

import torch

from unmask.cost import Cost
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.ordered_state import OrderedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class FirstHitting(SamplerRule):
    """How a first-hitting sampler draws its tokens; it spends a pass on each."""

    name = "first-hitting"
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p of the prediction."""

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """A new order for each sequence, with what is given at its front."""
        return ordered_state.begin("random", given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: OrderedState, predictor: Predictor, draws: Draws
    ) -> tuple[OrderedState, Cost[Counts]]:
        """The next token of the order."""
        first = state.num_revealed
        window = columns.of_order(state.order, first, first + 1, width=1)
        draft = predictor.draft(state.token_ids, window.positions)
        drawn = self.filter.draw(draft.log_probs, window.in_window, draws)
        token_ids = window.write(state.token_ids, drawn)
        one = torch.ones_like(first)
        cost = Cost.of_passes(one, token_ids, one)
        return replace(state, token_ids=token_ids, num_revealed=first + 1), cost
