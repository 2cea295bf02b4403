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

Source: Campbell et al. (2025), arXiv:2510.03929, Algorithm 1.
"""

from dataclasses import dataclass, field

import torch

from unmask.draws import Draws
from unmask.errors import ConfigError
from unmask.predictors.protocol import HybridPredictor
from unmask.process.masking import mask_after
from unmask.process.windows import Cosine, Window
from unmask.samplers import ordered
from unmask.samplers.ordered import OrderChoice, OrderedState
from unmask.samplers.sampler import StepInfo
from unmask.shapes import TokenIds
from unmask.speculation.accept_reject import judge
from unmask.speculation.filters import Filter


@dataclass(frozen=True, kw_only=True)
class SelfSpeculative:
    """How a self-speculative sampler spends its passes."""

    window: Window = field(default_factory=lambda: Cosine(0.04))
    """How many tokens one trunk pass may reveal."""
    verify_rounds: int = 4
    """Tail passes per trunk pass, at most; more rounds, fewer trunk passes."""
    order: OrderChoice = "random"
    """In which order positions are revealed."""
    filter: Filter = field(default_factory=Filter)
    """Temperature and top-p, of draft and target alike."""

    def __post_init__(self) -> None:
        if self.verify_rounds < 1:
            raise ConfigError(
                f"SelfSpeculative.verify_rounds must be at least 1, got {self.verify_rounds}: "
                "with no verification the draft is never corrected. "
                "For an unverified sampler use `Ancestral(...)`."
            )
        ordered.check_is_choice(self.order)

    def init(self, given_ids: TokenIds, *, mask_id: int, draws: Draws) -> OrderedState:
        """A new order for each sequence, with what is given at its front."""
        order = ordered.choose(self.order, given_ids, draws)
        return ordered.start(given_ids, order, mask_id=mask_id)

    def step(
        self, state: OrderedState, predictor: HybridPredictor, draws: Draws
    ) -> tuple[OrderedState, StepInfo]:
        """One trunk pass, and the verify rounds that follow it."""
        first, length = state.num_revealed, state.order.shape[1]
        sizes = self.window.size(first, length)
        stop = first + sizes
        window = ordered.columns(state.order, first, stop, int(sizes.max()))

        draft = predictor.draft(state.token_ids, window.positions)
        draft_log_probs = self.filter(draft.log_probs)
        drafted_ids = draws.categorical(draft_log_probs, where=window.in_window)
        filled_ids = window.write(state.token_ids, drafted_ids)

        settled, tail_passes, rejected = first.clone(), first * 0, first * 0
        if predictor.first_target_is_draft:
            settled = torch.where(sizes == 1, stop, settled)
        rows = torch.arange(len(first), device=first.device)
        for _ in range(self.verify_rounds):
            unsettled = (settled[rows] < stop[rows]).nonzero().squeeze(1)
            if len(unsettled) < len(rows):
                rows, draft = rows[unsettled], predictor.select(draft, unsettled)
            if not len(rows):
                break
            width = int((stop - settled)[rows].max())
            target_log_probs = self.filter(
                predictor.verify(
                    draft,
                    filled_ids=filled_ids[rows],
                    order=state.order[rows],
                    first=settled[rows],
                    num_columns=width,
                )
            )
            columns = (settled - first)[rows, None] + torch.arange(width, device=rows.device)
            in_window = columns < sizes[rows, None]
            columns = columns.clamp(max=drafted_ids.shape[1] - 1)
            verdict = judge(
                drafted_ids[rows].gather(1, columns),
                draft_log_probs=draft_log_probs[rows[:, None], columns],
                target_log_probs=target_log_probs,
                in_window=in_window,
                draws=draws.rows(rows),
            )
            place = settled[rows] + verdict.num_accepted
            replaced = ordered.columns(
                state.order[rows], place, place + verdict.is_rejected, width=1
            )
            filled_ids[rows] = replaced.write(filled_ids[rows], verdict.replacement_ids[:, None])
            settled[rows] = place + verdict.is_rejected
            rejected[rows] += verdict.is_rejected
            tail_passes[rows] += 1

        token_ids = mask_after(filled_ids, state.order, settled, predictor.vocab_size)
        info = StepInfo(
            trunk_passes=torch.ones_like(first),
            tail_passes=tail_passes,
            accepted=settled - first - rejected,
            rejected=rejected,
        )
        return OrderedState(token_ids, state.order, settled), info
