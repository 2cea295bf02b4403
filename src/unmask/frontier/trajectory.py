"""The course of a generation: what each pass settles, and where in the sequence drafts are kept.

A step that finds r tokens revealed and settles n, of which a are drafts that were kept, says of
each of the places r .. r + n - 1 of the order that a / n of its drafts were kept: which of them,
its account does not tell.
"""

from typing import Any

import torch
import torch.nn.functional as F

from unmask.cost import Cost
from unmask.shapes import Counts


class Trajectory:
    """Adds up what the steps of whole sequences tell, an observer of an `Engine`."""

    def __init__(self, length: int, num_sequences: int) -> None:
        self._num_steps = torch.zeros(num_sequences, dtype=torch.long)
        self._num_revealed = torch.zeros(num_sequences, dtype=torch.long)
        # Sums over the n-th steps of all sequences, of which there may be any number.
        self._tokens = torch.zeros(0, dtype=torch.long)
        self._sequences = torch.zeros(0, dtype=torch.long)
        self._is_verified = False
        # Sums over places, as differences between neighbours.
        self._kept = torch.zeros(length + 1, dtype=torch.float64)
        self._met = torch.zeros(length + 1, dtype=torch.float64)

    def note(self, state: Any, cost: Cost[Counts], rows: torch.Tensor) -> None:
        """The next step of each of the sequences `rows`."""
        settled, accepted, rows = cost.num_revealed.cpu(), cost.accepted.cpu(), rows.cpu()
        step = self._num_steps[rows]
        self._num_steps[rows] += 1
        num_new = int(step.max()) + 1 - len(self._tokens)
        self._tokens = F.pad(self._tokens, (0, max(0, num_new))).index_add(0, step, settled)
        self._sequences = F.pad(self._sequences, (0, max(0, num_new)))
        self._sequences.index_add_(0, step, torch.ones_like(step))

        self._is_verified |= bool(cost.rejected.any())
        start = self._num_revealed[rows]
        self._num_revealed[rows] += settled
        moves_on = settled > 0  # one that masks more than it reveals tells of no places
        start, stop = start[moves_on], (start + settled)[moves_on]
        share = accepted[moves_on].double() / settled[moves_on]
        for sums, values in ((self._kept, share), (self._met, torch.ones_like(share))):
            sums.index_add_(0, start, values).index_add_(0, stop, -values)

    def tokens_per_pass(self) -> list[float]:
        """Mean number of tokens that the n-th step settled, over the sequences that made it."""
        return list((self._tokens / self._sequences).tolist())

    def acceptance(self) -> list[float]:
        """Share of the drafts that were kept, by place of the order; empty if all of them were."""
        if not self._is_verified:
            return []
        kept, met = self._kept.cumsum(0)[:-1], self._met.cumsum(0)[:-1]
        return list((kept / met).tolist())
