"""Several tokens per cycle by the law of the stream: drafts that the stream itself verifies.

    f = tokens settled                                          # a cycle: two trunk passes
    p_f, draft = extend(the tokens settled since, and a window of MASKs at f..f+w-1)
    x_f..x_(f+w-1), one after the other from the tail's law q   # a tail pass each
        (or all at once from the factorised draft q)
    p_(f+1)..p_(f+w) = extend(the candidates)
    keep candidates from the first on while u < min(1, p(x) / q(x)); replace the first rejected
        from the residual max(0, p - q); where all were kept draw one more from p_(f+w)

Whatever drafts, what comes out follows the stream's law p, that of one token per pass: each place
is settled by the accept-and-replace rule, given the tokens before it. So the likelihood is the
stream's, and windows, tail and drafts decide the number of cycles alone.

Sources: Leviathan et al. (2023), arXiv:2211.17192, for the rule and the further token; that a
network verifies what its own masked entries drafted is TiDAR's, arXiv:2511.08923, there without a
tail.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.cost import Cost, Work
from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import Draft
from unmask.predictors.stream import StreamPredictor
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.columns import WindowColumns
from unmask.samplers.common.ordered_state import OrderedState
from unmask.samplers.sampler import SamplerRule
from unmask.shapes import Counts, Order, TokenIds, WindowIds, WindowLogProbs
from unmask.speculation.accept_reject import Verdict, accept_or_reject
from unmask.speculation.filters import Filter

Drafts = Literal["tail", "factorised"]
AnyOrdered = TypeVar("AnyOrdered", bound=OrderedState)


def check_is_drafts(owner: str, drafts: str) -> None:
    """Raise `ConfigError` unless it is one of `Drafts`."""
    if drafts not in get_args(Drafts):
        raise ConfigError(f"{owner}.drafts must be one of {get_args(Drafts)}, got {drafts!r}.")


@dataclass(frozen=True, kw_only=True)
class Lossless(SamplerRule):
    """How a sampler of the stream's law drafts."""

    name = "lossless"
    num_tokens: int = 8
    """Tokens that are drafted in a cycle, at most; a cycle settles one more at best."""
    drafts: Drafts = "tail"
    """tail: candidates in turn, each given those before it. factorised: all at once."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p, of drafts and stream alike."""

    def __post_init__(self) -> None:
        if self.num_tokens < 1:
            raise ConfigError(
                f"Lossless.num_tokens must be at least 1, got {self.num_tokens}: a cycle drafts "
                "so many tokens. For one token per pass use `Autoregressive()`."
            )
        check_is_drafts("Lossless", self.drafts)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """Reading order, behind what is given."""
        return ordered_state.begin("left-to-right", given_ids, mask_id=mask_id, draws=draws)

    def step(
        self, state: OrderedState, predictor: StreamPredictor, draws: Draws
    ) -> tuple[OrderedState, Cost[Counts]]:
        """One cycle: a pass that drafts, and one that verifies."""
        first, order, length = state.num_revealed, state.order, state.length
        size = (length - first).clamp(max=self.num_tokens)
        width = int(size.max())
        opened = predictor.extend(
            state.token_ids, order, first=first, window=size, num_columns=width
        )
        window = columns.of_order(order, first, first + size, width)
        drafted = self._drafted(state, opened.draft, window, predictor, draws)

        # The stream's law at each candidate, and behind them: slots first..first+size. The slot
        # behind the last position does not exist.
        last = torch.minimum(first + size, length - 1)
        judged = predictor.extend(
            drafted.filled_ids,
            order,
            first=last,
            window=torch.zeros_like(first),
            num_columns=0,
            num_laws=int((last - first).max()) or 1,
        )
        slots = first[:, None] + torch.arange(width + 1, device=first.device)
        column = slots - last[:, None] - 1 + judged.law_log_probs.shape[1]
        # Below, a law that is put in from the first pass; above, what is about nothing.
        column = column.clamp(min=0, max=judged.law_log_probs.shape[1] - 1)
        law = judged.law_log_probs.take_along_dim(column[..., None], dim=1)
        law[:, 0] = opened.law_log_probs[:, -1]
        law = self.filter(law)
        verdict = accept_or_reject(
            drafted.ids,
            draft_log_probs=drafted.log_probs,
            target_log_probs=law[:, :width],
            in_window=window.in_window,
            draws=draws,
        )
        behind = law.take_along_dim(size[:, None, None], dim=1)
        after = settle(state, drafted.ids, verdict, behind, self.filter, draws)
        rejected = verdict.is_rejected.long()
        accepted = after.num_revealed - first - rejected
        return after, Cost(opened.work + judged.work, accepted, rejected, drafted.work)

    def _drafted(
        self,
        state: OrderedState,
        draft: Draft,
        window: WindowColumns,
        predictor: StreamPredictor,
        draws: Draws,
    ) -> "Candidates":
        if self.drafts == "factorised":
            return at_once(state.token_ids, draft.log_probs, window, draws, self.filter)
        return in_turn(
            state.token_ids, state.order, state.num_revealed, draft, window, predictor, draws,
            self.filter,
        )  # fmt: skip


def settle(
    state: AnyOrdered,
    candidate_ids: WindowIds,
    verdict: Verdict,
    behind_log_probs: Float[Tensor, "B 1 V"],
    filter: Filter,
    draws: Draws,
) -> AnyOrdered:
    """The state with the candidates that were accepted, and the token behind them.

    That is the replacement of the one that was rejected; where none was, a further token from the
    filtered law behind the candidates, [B, 1, V], unless the sequence ends there.
    """
    first, order = state.num_revealed, state.order
    place = first + verdict.num_accepted
    is_further = ~verdict.is_rejected & (place < state.length)
    further = filter.draw_filtered(behind_log_probs, is_further[:, None], draws)[:, 0]
    settled_id = torch.where(verdict.is_rejected, verdict.replacement_ids, further)
    settled = place + (verdict.is_rejected | is_further)
    kept = columns.of_order(order, first, place, candidate_ids.shape[1])
    token_ids = kept.write(state.token_ids, candidate_ids)
    at = columns.of_order(order, place, settled, width=1)
    token_ids = at.write(token_ids, settled_id[:, None])
    return replace(state, token_ids=token_ids, num_revealed=settled)


@dataclass(frozen=True)
class Candidates:
    """What was drafted, by which law, and what it took."""

    ids: WindowIds
    log_probs: WindowLogProbs
    filled_ids: TokenIds
    work: Work[Counts]
    """Of the tail."""


def at_once(
    token_ids: TokenIds,
    draft_log_probs: WindowLogProbs,
    window: WindowColumns,
    draws: Draws,
    filter: Filter,
) -> Candidates:
    """Candidates from the factorised draft."""
    log_probs = filter(draft_log_probs)
    ids = filter.draw_filtered(log_probs, window.in_window, draws)
    none = torch.zeros_like(token_ids[:, 0])
    return Candidates(ids, log_probs, window.write(token_ids, ids), Work(none, none, none))


def in_turn(
    token_ids: TokenIds,
    order: Order,
    first: Counts,
    draft: Draft,
    window: WindowColumns,
    predictor: StreamPredictor,
    draws: Draws,
    filter: Filter,
    *,
    num_known: int = 0,
) -> Candidates:
    """Candidates from the tail's law, one after the other; the first is the draft's.

    The draft's window begins `num_known` tokens before `first`, which are settled.
    """
    ids: list[Tensor] = []
    laws: list[Tensor] = []
    tail_passes = torch.zeros_like(first)
    for k in range(window.in_window.shape[1]):
        is_real = window.in_window[:, k : k + 1]
        if num_known + k == 0 and predictor.first_target_is_draft:
            law = draft.log_probs[:, :1]
        else:
            law = predictor.verify(
                draft, filled_ids=token_ids, order=order, first=first + k, num_columns=1
            )
            tail_passes = tail_passes + is_real[:, 0]
        law = filter(law)
        drawn = filter.draw_filtered(law, is_real, draws)
        column = WindowColumns(window.positions[:, k : k + 1], is_real)
        token_ids = column.write(token_ids, drawn)
        ids.append(drawn)
        laws.append(law)
    # Each pass looks at one token.
    work = Work(tail_passes, tail_passes, torch.zeros_like(tail_passes))
    return Candidates(torch.cat(ids, 1), torch.cat(laws, 1), token_ids, work)
