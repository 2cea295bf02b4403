"""Self-speculative sampling: one network drafts a window of tokens and verifies it, exactly.

    i = tokens revealed                                # a step: one trunk pass
    h, draft = trunk(revealed tokens);  w = min(D, i + W(i))
    drafted_d ~ draft_d, independently, for d = i+1..w
    at most N times, while some of the window is unsettled:       # a tail pass each, same h
        target_d for all unsettled d, each given the tokens before it in the order
        keep drafts from the first on, until one is rejected; replace that one
    mask what is unsettled again

What survives follows the target along the order: likelihood.py says with which probability.
Drafts behind a rejection that a further round will look at are kept, which is free.

A window can also end by itself: before the first draft, but for the window's own first, whose
largest probability is below a threshold, as measured before the filter. Which it is depends on
what is revealed when the pass starts, so the law has the same form, with a window of its own for
each sequence. Or it ends where draft and target have come to disagree. With

    v_d = sum_y max(0, target_d(y) - draft_d(y))       the probability that the draft is rejected

a pass ends after the first place d at which v_{i+1} + .. + v_d exceeds the sampler's patience:
it has had as many rejections as that in expectation, its h is stale. v_d depends on the tokens
before d alone, so the law has the same form, with a window that depends on them.

Sources: Campbell et al. (2025), arXiv:2510.03929, Algorithm 1; the threshold is Fast-dLLM's,
Wu et al. (2025), arXiv:2505.22618, there without a verifier; patience is ours.
"""

import math
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Draft, HybridPredictor
from unmask.process.masking import mask_after
from unmask.process.windows import Cosine, Window, check_is_window
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.ordered_state import OrderChoice, OrderedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs
from unmask.speculation.accept_reject import accept_or_reject, disagreement
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class SelfSpeculative(SamplerRule):
    """How a self-speculative sampler spends its passes."""

    name = "self-speculative"
    needs_tail = True
    why_no_cache = "a causal tail reads what a whole pass of its trunk says"
    window: Window = field(default_factory=lambda: Cosine(0.04))
    """How many tokens one trunk pass may reveal."""
    verify_rounds: int = 4
    """Tail passes per trunk pass, at most; more rounds, fewer trunk passes."""
    threshold: float = 0.0
    """Confidence of a draft below which a window ends before it; 0: none is too unsure."""
    patience: float = math.inf
    """Expected rejections after which a pass ends before its window does."""
    order: OrderChoice = "random"
    """In which order positions are revealed."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p, of draft and target alike."""

    def __post_init__(self) -> None:
        check_is_window(self.window)
        if self.verify_rounds < 1:
            raise ConfigError(
                f"SelfSpeculative.verify_rounds must be at least 1, got {self.verify_rounds}: "
                "with no verification the draft is never corrected. "
                "For an unverified sampler use `Ancestral(...)`."
            )
        if not 0 <= self.threshold <= 1:
            raise ConfigError(
                f"SelfSpeculative.threshold must be from 0 to 1, got {self.threshold}: it is the "
                "probability a draft must have to be looked at in the same pass as those before "
                "it. 0.9 is careful, 0 leaves the end of a window to `window`."
            )
        if not self.patience >= 0:
            raise ConfigError(
                f"SelfSpeculative.patience must be a number of at least 0, got {self.patience}: "
                "it is how many rejections a pass may expect. 1 is a good start, inf leaves "
                "the end of a pass to its window."
            )
        ordered_state.check_is_choice(self.order)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """A new order for each sequence, with what is given at its front."""
        return ordered_state.begin(self.order, given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: OrderedState, predictor: HybridPredictor, draws: Draws
    ) -> tuple[OrderedState, Cost[Counts]]:
        """One trunk pass, and the verify rounds that follow it."""
        opening = ordered_state.open_window(self.order, state, predictor, self.window)
        if self.threshold > 0:
            num_sure = ordered_state.num_sure(opening.draft.log_probs, self.threshold)
            opening = opening.shortened(num_sure)
        state, draft, window = opening.state, opening.draft, opening.window
        first, stop = state.num_revealed, opening.stop
        draft_log_probs = self.filter(draft.log_probs)
        drafted_ids = self.filter.draw_filtered(draft_log_probs, window.in_window, draws)
        filled_ids = window.write(state.token_ids, drafted_ids)
        is_known = (stop - first == 1) & predictor.first_target_is_draft
        settled = torch.where(is_known, stop, first)
        run = _Pass(state.order, first, stop, drafted_ids, draft_log_probs, filled_ids, settled)
        # All that is asked of a draft again is its first column; the rest would be copied.
        draft = replace(draft, log_probs=draft.log_probs[:, :1])
        rows = torch.arange(len(first), device=first.device)
        for _ in range(self.verify_rounds):
            unsettled = (run.settled < run.stop)[rows].nonzero().squeeze(1)
            if len(unsettled) < len(rows):
                rows, draft = rows[unsettled], predictor.select(draft, unsettled)
            if not len(rows):
                break
            self._verify(run, rows, predictor, draft, draws)

        token_ids = mask_after(run.filled_ids, state.order, run.settled, predictor.vocab_size)
        cost = Cost(
            Work.whole(torch.ones_like(first), state.length),
            accepted=run.settled - first - run.rejected,
            rejected=run.rejected,
            tail=Work(run.tail_passes, run.tail_tokens, torch.zeros_like(first)),
        )
        return replace(state, token_ids=token_ids, num_revealed=run.settled), cost

    def _verify(
        self,
        run: "_Pass",
        rows: Int[Tensor, " N"],
        predictor: HybridPredictor,
        draft: Draft,
        draws: Draws,
    ) -> None:
        """One verify round for some sequences of the batch, noted in `run`."""
        is_all = len(rows) == len(run.first)
        among = run.select(rows)
        first, settled, stop = among.first, among.settled, among.stop
        order, filled_ids = among.order, among.filled_ids
        width = int((stop - settled).max())
        window = columns.of_order(order, settled, stop, width)
        target_log_probs = self.filter(
            predictor.verify(
                draft, filled_ids=filled_ids, order=order, first=settled, num_columns=width
            )
        )
        drafted = (settled - first)[:, None] + torch.arange(width, device=rows.device)
        drafted = drafted.clamp(max=run.drafted_ids.shape[1] - 1)
        in_window = window.in_window
        if self.patience < math.inf:
            draft_log_probs = run.draft_log_probs[rows[:, None], drafted]
            doubt = disagreement(draft_log_probs, target_log_probs).cumsum(dim=1)
            doubt = torch.cat([torch.zeros_like(doubt[:, :1]), doubt], dim=1)
            doubt = doubt + among.doubt[:, None]
            in_window = in_window & (doubt[:, :-1] <= self.patience)
        verdict = accept_or_reject(
            among.drafted_ids.gather(1, drafted),
            draft_log_probs=run.draft_log_probs,
            drafted_at=(rows, drafted),
            target_log_probs=target_log_probs,
            in_window=in_window,
            draws=draws if is_all else draws.rows(rows),
        )
        place = settled + verdict.num_accepted
        replaced = columns.of_order(order, place, place + verdict.is_rejected, width=1)
        num_settled = verdict.num_accepted + verdict.is_rejected
        found = {
            "filled_ids": replaced.write(filled_ids, verdict.replacement_ids[:, None]),
            "settled": settled + num_settled,
            "rejected": among.rejected + verdict.is_rejected,
            "tail_passes": among.tail_passes + 1,
            "tail_tokens": among.tail_tokens + stop - settled,
        }
        if self.patience < math.inf:
            doubt = doubt.gather(1, num_settled[:, None]).squeeze(1)
            found["doubt"] = doubt
            found["stop"] = torch.where(doubt > self.patience, found["settled"], stop)
        run.note(rows, found)


@dataclass
class _Pass:
    """A trunk pass under way: what it drafted, and how far that is verified."""

    order: Order
    first: Counts
    stop: Counts
    """Where the window ends; patience moves it forward."""
    drafted_ids: WindowIds
    draft_log_probs: WindowLogProbs
    filled_ids: TokenIds
    settled: Counts
    """How many tokens of the order are settled."""

    def __post_init__(self) -> None:
        self.tail_passes = torch.zeros_like(self.first)
        self.tail_tokens = torch.zeros_like(self.first)
        self.rejected = torch.zeros_like(self.first)
        self.doubt: Float[Tensor, " B"] = torch.zeros_like(self.first, dtype=torch.float64)
        """v summed over the places settled in this pass."""

    def select(self, rows: Int[Tensor, " N"]) -> "_Pass":
        """The same for some sequences of the batch, but for `draft_log_probs`: V can be large."""
        if len(rows) == len(self.first):
            return self
        some = copy(self)
        for name in _BY_SEQUENCE:
            setattr(some, name, getattr(self, name)[rows])
        return some

    def note(self, rows: Int[Tensor, " N"], found: dict[str, Tensor]) -> None:
        """What has changed for some sequences; never in place, for others may hold the old."""
        for name, value in found.items():
            is_all = len(rows) == len(self.first)
            old = getattr(self, name)
            setattr(self, name, value if is_all else old.index_put((rows,), value))


_BY_SEQUENCE = (
    "order", "first", "stop", "drafted_ids", "filled_ids", "settled", "tail_passes",
    "tail_tokens", "rejected", "doubt",
)  # fmt: skip
