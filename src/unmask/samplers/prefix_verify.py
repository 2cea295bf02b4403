"""The whole network as its own verifier: what it drafts at once, it judges token by token.

    draft_d  = network(revealed tokens) at sigma(d),  d = i+1..w          # one pass
    target_d = network(revealed tokens, drafts i+1..d-1) at sigma(d)      # one batched pass
    keep drafts from the first on, until one is rejected; replace that one

target_d is what one token per pass along the order would have been drawn from, so that is the
law, whatever the window: by the theorem of speculative sampling (target_{i+1} is draft_{i+1}).
The second pass runs a sequence for each token of the window but the first: the hidden states of a
network that attends both ways differ with what is revealed, so none of its work is shared. Its
sequences do not wait for one another: a step takes two passes of waiting and w - i of work.

Source: FeF-DLLM, arXiv:2605.14305, from its abstract and text; there the network was fine-tuned
so that one sequence answers for all, here it stays as it is.
"""

from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.predictors.protocol import Predictor
from unmask.process.windows import Fixed, Window, check_is_window
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.columns import WindowColumns
from unmask.samplers.common.ordered_state import OrderChoice, OrderedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds, WindowIds
from unmask.speculation.accept_reject import accept_or_reject
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class PrefixVerify(SamplerRule):
    """How much a network drafts before it judges."""

    name = "prefix-verify"
    why_no_cache = "its passes are over several copies of a sequence"
    window: Window = field(default_factory=lambda: Fixed(16))
    """How many tokens are drafted at once."""
    order: OrderChoice = "left-to-right"
    """In which order positions are revealed."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p, of draft and target alike."""

    def __post_init__(self) -> None:
        check_is_window(self.window)
        ordered_state.check_is_choice(self.order)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """A new order for each sequence, with what is given at its front."""
        return ordered_state.begin(self.order, given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: OrderedState, predictor: Predictor, draws: Draws
    ) -> tuple[OrderedState, Cost[Counts]]:
        """A pass that drafts a window, and one that judges it."""
        opening = ordered_state.open_window(self.order, state, predictor, self.window)
        state, window = opening.state, opening.window
        draft_log_probs = self.filter(opening.draft.log_probs)
        drafted_ids = self.filter.draw_filtered(draft_log_probs, window.in_window, draws)
        targets = _targets(predictor, state.token_ids, window, drafted_ids)
        target_log_probs = torch.cat([draft_log_probs[:, :1], self.filter(targets)], dim=1)
        verdict = accept_or_reject(
            drafted_ids,
            draft_log_probs=draft_log_probs,
            target_log_probs=target_log_probs,
            in_window=window.in_window,
            draws=draws,
        )
        first = state.num_revealed
        place = first + verdict.num_accepted
        width = drafted_ids.shape[1]
        kept = columns.of_order(state.order, first, place, width)
        replaced = columns.of_order(state.order, place, place + verdict.is_rejected, width=1)
        token_ids = kept.write(state.token_ids, drafted_ids)
        token_ids = replaced.write(token_ids, verdict.replacement_ids[:, None])
        num_run = opening.stop - first
        passes = 1 + (num_run > 1).long()
        cost = Cost(
            Work(passes, num_run * state.length, num_run * state.length**2),
            accepted=verdict.num_accepted,
            rejected=verdict.is_rejected.long(),
        )
        num_revealed = place + verdict.is_rejected
        return replace(state, token_ids=token_ids, num_revealed=num_revealed), cost


def _targets(
    predictor: Predictor, token_ids: TokenIds, window: WindowColumns, drafted_ids: WindowIds
) -> Float[Tensor, "B T V"]:
    """At every column but the first, given the drafts of those before it: one batched pass."""
    num_sequences, width = drafted_ids.shape
    column = torch.arange(width, device=drafted_ids.device)
    is_before = (column < column[1:, None]) & window.in_window[:, None]  # [B, width - 1, width]
    rows, judged = window.in_window[:, 1:].nonzero(as_tuple=True)
    log_probs = torch.zeros(
        num_sequences, width - 1, predictor.vocab_size, device=drafted_ids.device
    )
    if not len(rows):
        return log_probs
    begun = WindowColumns(window.positions[rows], is_before[rows, judged])
    asked = window.positions[rows, judged + 1][:, None]
    said = predictor.draft(begun.write(token_ids[rows], drafted_ids[rows]), asked).log_probs
    return log_probs.to(said.dtype).index_put((rows, judged), said[:, 0])
