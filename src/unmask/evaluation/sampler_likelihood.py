"""The same sequences under the laws of several samplers, from as few passes as will do.

What a pass says of place d of the order depends on where the pass started, on the order, and on
the tokens before d; not on where its window ends, nor on the rounds that follow. So the tables
of the widest window, all that is masked, hold those of every other window as their first
columns, and samplers that differ in window and rounds alone share D trunk passes a sequence.

Tables of their own need an order that depends on the window ("confident"), a window that
depends on the tokens (threshold, patience), a fixed partition, which has few passes to make, and
a causal trunk, whose MASKs see how long their window is.

Source: docs/likelihood.md, sections 1 and 9.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from unmask.predictors.protocol import HybridPredictor
from unmask.predictors.stream import StreamPredictor
from unmask.process.windows import Whole
from unmask.samplers.likelihood import (
    Law,
    TractableSampler,
    law_of,
    num_passes,
    order_for,
    pass_tables,
    work_of,
)
from unmask.shapes import TokenIds
from unmask.speculation.filters import Filter
from unmask.speculation.likelihood import ExpectedWork, PassTables, log_likelihood


@dataclass(frozen=True)
class Emission:
    """What it is to emit some sequences, each along an order of its own."""

    nats: Float[Tensor, " B"]
    """log p(x | order)."""
    work: ExpectedWork


def _ignore(num_passes: int) -> None:
    pass


class SamplerLikelihoods:
    """Some sequences of equal length, of which nothing is given, under any sampler's law.

    Each sequence has one order for every kind of order, drawn from the seed: the samplers are
    compared along the same orders.
    """

    def __init__(
        self,
        predictor: HybridPredictor,
        token_ids: TokenIds,
        *,
        seed: int = 0,
        batch_size: int = 64,
    ) -> None:
        self._predictor, self._token_ids = predictor, token_ids
        self._seed, self._batch_size = seed, batch_size
        self._shared: dict[tuple[str, Filter], PassTables] = {}

    def num_passes(self, sampler: TractableSampler) -> int:
        """Trunk passes that `emission` will make, over all sequences."""
        num_sequences, length = self._token_ids.shape
        law = law_of(sampler, length)
        is_there = self._is_shared(law) and (law.order, law.filter) in self._shared
        return 0 if is_there else num_sequences * num_passes(law, length)

    def emission(
        self, sampler: TractableSampler, observe: Callable[[int], None] = _ignore
    ) -> Emission:
        """Log-likelihood and expected work; `observe` is told of passes, batch by batch."""
        law = law_of(sampler, self._token_ids.shape[1])
        tables = self._tables(sampler, law, observe)
        num_given = torch.zeros_like(self._token_ids[:, 0])
        is_known = self._predictor.first_target_is_draft
        work = work_of(sampler, tables, num_given, first_target_is_draft=is_known)
        return Emission(log_likelihood(tables, law.verify_rounds, num_given), work)

    def _tables(
        self, sampler: TractableSampler, law: Law, observe: Callable[[int], None]
    ) -> PassTables:
        if not self._is_shared(law):
            return self._made(sampler, law, observe)
        key = law.order, law.filter
        if key not in self._shared:
            self._shared[key] = self._made(sampler, replace(law, window=Whole()), observe)
        return narrowed(self._shared[key], law)

    def _is_shared(self, law: Law) -> bool:
        if isinstance(self._predictor, StreamPredictor):
            return False
        has_own_windows = law.threshold > 0 or law.patience < math.inf
        return law.verify_rounds > 0 and not has_own_windows and law.order != "confident"

    def _made(
        self, sampler: TractableSampler, law: Law, observe: Callable[[int], None]
    ) -> PassTables:
        return pass_tables(
            self._predictor,
            law,
            self._token_ids,
            order_for(sampler, self._token_ids, seed=self._seed, number=0),
            torch.zeros_like(self._token_ids[:, 0]),
            batch_size=self._batch_size,
            observe=observe,
        )


def narrowed(tables: PassTables, law: Law) -> PassTables:
    """The tables of a law with another window, out of those of the window `Whole()`."""
    num_starts = tables.window_sizes.shape[1]
    starts = torch.arange(num_starts, device=tables.window_sizes.device)
    sizes = law.window.size(starts, num_starts).expand_as(tables.window_sizes)
    width = int(sizes.max())
    return PassTables(tables.log_draft[..., :width], tables.log_target[..., :width], sizes)
