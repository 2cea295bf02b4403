"""Several tokens per cycle by the law of the stream, a single trunk pass a cycle.

    f tokens settled, candidates at f..f+m-1 from the tail's law q          # one trunk pass:
    p_f..p_(f+m), and a window of MASKs behind each number j = 0..m of candidates = branch(...)
    keep candidates from the first on while u < min(1, p(x) / q(x)), say j of them
    the token at f+j from the residual max(0, p - q), or from p_(f+m) where all were kept
    candidates behind it, in turn from the tail, by the window behind j     # a tail pass each

The pass that verifies has drafted for whatever it will find, so nothing waits for a second one.
It costs m + (m + 1) w entries where lossless.py has two passes of about w: for a processor that a
single sequence leaves idle. The law is the stream's, as there.

Source: the layout of TiDAR, arXiv:2511.08923, which has no tail.
"""

from dataclasses import dataclass, field, replace

import torch

from unmask.batches import padded_with
from unmask.cost import Cost
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.ordered_state import OrderedState
from unmask.samplers.lossless import Drafts, at_once, check_is_drafts, in_turn, settle
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, TokenIds, WindowIds, WindowLogProbs
from unmask.speculation.accept_reject import accept_or_reject
from unmask.speculation.filters import Filter


@dataclass(frozen=True)
class BranchingState(OrderedState):
    """Tokens that are settled, and candidates behind them."""

    candidate_ids: WindowIds = field(metadata=padded_with(0))
    candidate_log_probs: WindowLogProbs
    """By which they were drawn."""
    num_candidates: Counts


@dataclass(frozen=True, kw_only=True)
class LosslessBranching(SamplerRule):
    """How a sampler of the stream's law drafts for every outcome of its verification."""

    name = "lossless-branching"
    num_tokens: int = 8
    """Tokens a cycle settles, at most: one is sure, the others are candidates. A pass carries as
    many windows of as many MASKs."""
    drafts: Drafts = "tail"
    """tail: candidates in turn, each given those before it. factorised: all at once."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p, of drafts and stream alike."""

    def __post_init__(self) -> None:
        if self.num_tokens < 2:
            raise ConfigError(
                f"LosslessBranching.num_tokens must be at least 2, got {self.num_tokens}: a cycle "
                "settles one token for sure and drafts the others. For one per pass use "
                "`Autoregressive()`."
            )
        check_is_drafts("LosslessBranching", self.drafts)

    @property
    def num_scratch(self) -> int:
        """Rows of memory that a pass needs for its MASKs."""
        return self.num_tokens**2

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> BranchingState:
        """Reading order, behind what is given; no candidates yet."""
        begun = ordered_state.begin("left-to-right", given_ids, mask_id=mask_id, draws=draws)
        ids = given_ids.new_zeros(len(given_ids), self.num_tokens - 1)
        log_probs = torch.zeros(*ids.shape, mask_id, dtype=torch.float64, device=ids.device)
        return BranchingState(
            **vars(begun),
            candidate_ids=ids,
            candidate_log_probs=log_probs,
            num_candidates=torch.zeros_like(begun.num_revealed),
        )

    def step(
        self, state: BranchingState, predictor: StreamPredictor, draws: Draws
    ) -> tuple[BranchingState, Cost[Counts]]:
        """One cycle, one trunk pass."""
        first, order, length = state.num_revealed, state.order, state.length
        num, width = state.num_candidates, self.num_tokens
        drafted = columns.of_order(order, first, first + num, width - 1)
        branched = predictor.branch(
            drafted.write(state.token_ids, state.candidate_ids),
            order,
            first=first,
            num_candidates=num,
            length=length,
            num_columns=width,
        )
        law = self.filter(branched.law_log_probs)
        verdict = accept_or_reject(
            state.candidate_ids,
            draft_log_probs=state.candidate_log_probs.to(law.dtype),
            target_log_probs=law[:, : width - 1],
            in_window=drafted.in_window,
            draws=draws,
        )
        accepted = verdict.num_accepted
        behind = law.take_along_dim(accepted[:, None, None], dim=1)
        after = settle(state, state.candidate_ids, verdict, behind, self.filter, draws)
        token_ids, settled = after.token_ids, after.num_revealed
        num = (length - settled).clamp(max=width - 1)
        window = columns.of_order(order, settled, settled + num, width - 1)
        draft = branched.chosen(accepted)
        if self.drafts == "factorised":
            log_probs = draft.log_probs[:, 1:]
            found = at_once(token_ids, log_probs, window, draws, self.filter)
        else:
            found = in_turn(
                token_ids, order, settled, draft, window, predictor, draws, self.filter,
                num_known=1,
            )  # fmt: skip
        rejected = verdict.is_rejected.long()
        cost = Cost(branched.work, settled - first - rejected, rejected, found.work)
        after = replace(
            after,
            candidate_ids=found.ids,
            candidate_log_probs=found.log_probs.double(),
            num_candidates=num,
        )
        return after, cost
