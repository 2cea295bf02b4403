"""The likelihood of a text under a sampler, for any hybrid predictor.

For each start i the predictor drafts and verifies the observed tokens of the window that would
have followed, by the very calls the sampler makes; the recursion of
`unmask.speculation.likelihood` does the rest. A sequence of D tokens costs D trunk passes and
as many tail passes; they do not depend on each other and are batched. Where every draft is kept
it is known where passes start, and only those are made: one for each group.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unmask.draws import SeededDraws, stream_seed
from unmask.errors import ConfigError
from unmask.predictors.protocol import HybridPredictor
from unmask.process import windows
from unmask.process.masking import mask_after
from unmask.process.windows import Window
from unmask.samplers.common import columns, ordered_state
from unmask.samplers.common.ordered_state import OrderChoice, OrderedState
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly
from unmask.shapes import Counts, Order, TokenIds
from unmask.speculation.accept_reject import disagreement
from unmask.speculation.filters import Filter
from unmask.speculation.likelihood import ExpectedWork, PassTables, expected_work

TractableSampler = SelfSpeculative | TargetOnly | FixedPartition
"""The samplers whose law is tractable."""


@dataclass(frozen=True)
class Law:
    """What the likelihood of a sampler depends on."""

    window: Window
    verify_rounds: int
    """0: every draft is kept."""
    threshold: float
    patience: float
    order: OrderChoice
    filter: Filter


def law_of(sampler: TractableSampler, length: int) -> Law:
    """Target-only sampling has as many verify rounds as tokens, a fixed partition none.

    Raises `ConfigError` for a sampler whose law is not tractable.
    """
    if not isinstance(sampler, TractableSampler):
        raise ConfigError(
            f"the likelihood of {type(sampler).__name__} cannot be computed: it sums over more "
            "ways to a text than there is time for. Choose self-speculative, target-only or "
            "fixed-partition; of a model with a causal trunk, lossless or autoregressive too."
        )
    if isinstance(sampler, FixedPartition):
        return Law(sampler.window, 0, 0.0, math.inf, sampler.order, sampler.filter)
    if isinstance(sampler, TargetOnly):
        return Law(sampler.window, length, 0.0, math.inf, sampler.order, sampler.filter)
    return Law(
        sampler.window,
        sampler.verify_rounds,
        sampler.threshold,
        sampler.patience,
        sampler.order,
        sampler.filter,
    )


def order_for(
    sampler: TractableSampler,
    token_ids: TokenIds,
    *,
    seed: int,
    number: int,
    rows: Sequence[int] | None = None,
) -> Order:
    """The `number`-th order to score each sequence under; depends on its row and the seed.

    `rows` are the rows they have among all that are scored, if these are some of them.
    """
    rows = range(len(token_ids)) if rows is None else rows
    seeds = [stream_seed(seed, row, number) for row in rows]
    return ordered_state.choose(sampler.order, token_ids, SeededDraws(seeds, token_ids.device))


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

    `order` is what the sampler began with; what is given comes first in it.

    `observe` is told how many of the (sequence, start) pairs each batch finished. Starts that
    are never reached, such as those among the given tokens, are left at zero.
    """
    num_sequences, length = token_ids.shape
    starts = torch.arange(length, device=token_ids.device)
    sizes = law.window.size(starts, length).repeat(num_sequences, 1)
    if law.order == "confident":
        order, sizes = _by_confidence(predictor, law.window, token_ids, order, num_given)
    shape = (num_sequences, length, int(sizes.max()))
    log_draft = torch.zeros(shape, dtype=torch.float64, device=token_ids.device)
    log_target = torch.zeros_like(log_draft)
    # By start, so that the windows of a batch are of like width.
    is_start = starts >= num_given[:, None] if law.verify_rounds else _begins(sizes, num_given)
    pairs = is_start.T.nonzero()
    for begin in range(0, len(pairs), batch_size):
        start, sequence = pairs[begin : begin + batch_size].unbind(1)
        ids, its_order = token_ids[sequence], order[sequence]
        size = sizes[sequence, start]
        window = columns.of_order(its_order, start, start + size, int(size.max()))
        masked_ids = mask_after(ids, its_order, start, predictor.vocab_size)
        draft = ordered_state.draft_along(
            law.order, predictor, masked_ids, its_order, start, window
        )
        target_log_probs = draft.log_probs
        width = window.positions.shape[1]
        if law.verify_rounds and (width > 1 or not predictor.first_target_is_draft):
            target_log_probs = predictor.verify(
                draft, filled_ids=ids, order=its_order, first=start, num_columns=width
            )
        observed = ids.gather(1, window.positions)[..., None]
        draft_log_probs = law.filter(draft.log_probs)
        target_log_probs = law.filter(target_log_probs)
        for table, log_probs in ((log_draft, draft_log_probs), (log_target, target_log_probs)):
            values = log_probs.gather(-1, observed).squeeze(-1)
            table[sequence, start, :width] = values.double()
        if law.threshold > 0:
            size = torch.minimum(ordered_state.num_sure(draft.log_probs, law.threshold), size)
        if law.patience < math.inf:
            doubt = disagreement(draft_log_probs, target_log_probs).cumsum(dim=1)
            num_within = (doubt <= law.patience).sum(dim=1)
            size = torch.minimum(num_within + 1, size)
        sizes[sequence, start] = size
        observe(len(start))
    return PassTables(log_draft, log_target, sizes)


def work_of(
    sampler: TractableSampler,
    tables: PassTables,
    num_given: Counts,
    *,
    first_target_is_draft: bool,
) -> ExpectedWork:
    """Passes and acceptances, given that the sampler emitted what the tables are of."""
    length = tables.window_sizes.shape[1]
    rounds = law_of(sampler, length).verify_rounds
    work = expected_work(tables, rounds, num_given, first_target_is_draft=first_target_is_draft)
    if not isinstance(sampler, TargetOnly):
        return work
    # Its law is that of as many rounds as tokens; but it makes one for each token, accepting all.
    is_drawn = torch.arange(length, device=num_given.device) >= num_given[:, None]
    num_known = work.trunk_passes if first_target_is_draft else torch.zeros_like(work.trunk_passes)
    return ExpectedWork(
        work.trunk_passes, is_drawn.sum(dim=1) - num_known, is_drawn.to(work.acceptance)
    )


def num_passes(law: Law, length: int) -> int:
    """Trunk passes that `pass_tables` makes for a sequence of which nothing is given.

    Those that find the order "confident", one for each window, are not counted.
    """
    return length if law.verify_rounds else len(windows.starts(law.window, length))


def _begins(sizes: Int[Tensor, "B L"], num_given: Counts) -> Bool[Tensor, "B L"]:
    """Where passes start if each reveals its window in full."""
    is_start = torch.zeros_like(sizes, dtype=torch.bool)
    first, rows = num_given.clone(), (num_given < sizes.shape[1]).nonzero().squeeze(1)
    while len(rows):
        is_start[rows, first[rows]] = True
        first[rows] += sizes[rows, first[rows]]
        rows = rows[first[rows] < sizes.shape[1]]
    return is_start


def _by_confidence(
    predictor: HybridPredictor,
    window: Window,
    token_ids: TokenIds,
    order: Order,
    num_given: Counts,
) -> tuple[Order, Int[Tensor, "B L"]]:
    """In which order these tokens would have been revealed, and the window at each start."""
    mask_id, length = predictor.vocab_size, token_ids.shape[1]
    places = torch.arange(length, device=order.device)
    order, sizes = order.clone(), window.size(places, length).repeat(len(order), 1)
    rows = (num_given < length).nonzero().squeeze(1)
    first = num_given
    while len(rows):
        ids, its_order, its_first = token_ids[rows], order[rows], first[rows]
        masked_ids = mask_after(ids, its_order, its_first, mask_id)
        its_length = torch.full_like(its_first, length)
        zero = torch.zeros_like(its_first)
        state = OrderedState(masked_ids, its_order, its_first, its_first, its_length, zero)
        opening = ordered_state.open_window("confident", state, predictor, window)
        stop = opening.stop[:, None]
        is_inside = (places >= its_first[:, None]) & (places < stop)
        ends = torch.where(is_inside, stop - places, length)
        sizes[rows] = torch.minimum(sizes[rows], ends)
        order[rows] = opening.state.order
        first = first.index_copy(0, rows, opening.stop)
        rows = (first < length).nonzero().squeeze(1)
    return order, sizes
