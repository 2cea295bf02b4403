"""The likelihood of a sampler's own law, for any hybrid predictor.

For each start i the predictor drafts and verifies the observed tokens of the window that would
have followed, by the very calls the sampler makes; the recursion of
`unmask.speculation.likelihood` does the rest. A sequence of D tokens costs D trunk passes and
as many tail passes; they do not depend on each other and are batched.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from unmask.draws import SeededDraws, stream_seed
from unmask.predictors.protocol import HybridPredictor
from unmask.process import orders
from unmask.process.masking import mask_after
from unmask.process.windows import Window
from unmask.samplers import columns
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.shapes import Counts, Order, TokenIds
from unmask.speculation.accept_reject import disagreement
from unmask.speculation.filters import Filter
from unmask.speculation.likelihood import PassTables

OwnLaw = SelfSpeculative | TargetOnly
"""The samplers whose law is tractable."""


@dataclass(frozen=True)
class Law:
    """What the likelihood of a sampler depends on."""

    window: Window
    verify_rounds: int
    patience: float
    filter: Filter


def law_of(sampler: OwnLaw, length: int) -> Law:
    """Target-only sampling is the limit of as many verify rounds as tokens."""
    if isinstance(sampler, TargetOnly):
        return Law(sampler.window, length, math.inf, sampler.filter)
    return Law(sampler.window, sampler.verify_rounds, sampler.patience, sampler.filter)


def order_for(sampler: OwnLaw, token_ids: TokenIds, *, seed: int, number: int) -> Order:
    """The `number`-th order to score each sequence under; depends on its row and the seed."""
    if sampler.order == "left-to-right":
        return orders.left_to_right(token_ids.shape[0], token_ids.shape[1], token_ids.device)
    seeds = [stream_seed(seed, row, number) for row in range(len(token_ids))]
    return orders.random(SeededDraws(seeds, token_ids.device), token_ids.shape[1])


def _ignore(num_rows: int) -> None:
    pass


def pass_tables(
    predictor: HybridPredictor,
    law: Law,
    token_ids: TokenIds,
    order: Order,
    num_given: Counts,
    *,
    batch_size: int = 64,
    observe: Callable[[int], None] = _ignore,
) -> PassTables:
    """Draft and target log-probabilities of `token_ids` for every pass that could be made.

    `observe` is told how many of the (sequence, start) pairs each batch finished. Starts among
    the given tokens are never reached and are left at zero.
    """
    num_sequences, length = token_ids.shape
    starts = torch.arange(length, device=token_ids.device)
    widest = law.window.size(starts, length)
    sizes = widest.repeat(num_sequences, 1)
    shape = (num_sequences, length, int(widest.max()))
    log_draft = torch.zeros(shape, dtype=torch.float64, device=token_ids.device)
    log_target = torch.zeros_like(log_draft)
    # By start, so that the windows of a batch are of like width.
    pairs = (starts[:, None] >= num_given).nonzero()
    for begin in range(0, len(pairs), batch_size):
        start, sequence = pairs[begin : begin + batch_size].unbind(1)
        ids, its_order, size = token_ids[sequence], order[sequence], widest[start]
        window = columns.of_order(its_order, start, start + size, int(size.max()))
        masked_ids = mask_after(ids, its_order, start, predictor.vocab_size)
        draft = predictor.draft(masked_ids, window.positions)
        target_log_probs = draft.log_probs
        width = window.positions.shape[1]
        if width > 1 or not predictor.first_target_is_draft:
            target_log_probs = predictor.verify(
                draft, filled_ids=ids, order=its_order, first=start, num_columns=width
            )
        observed = ids.gather(1, window.positions)[..., None]
        draft_log_probs, target_log_probs = (
            law.filter(draft.log_probs),
            law.filter(target_log_probs),
        )
        for table, log_probs in ((log_draft, draft_log_probs), (log_target, target_log_probs)):
            values = log_probs.gather(-1, observed).squeeze(-1)
            table[sequence, start, :width] = values.double()
        if law.patience < math.inf:
            doubt = disagreement(draft_log_probs, target_log_probs).cumsum(dim=1)
            num_within = (doubt <= law.patience).sum(dim=1)
            sizes[sequence, start] = torch.minimum(num_within + 1, size)
        observe(len(start))
    return PassTables(log_draft, log_target, sizes)
