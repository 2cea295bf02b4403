"""The course of a generation: what each pass settles, and where in the sequence drafts are kept.

A step that finds r tokens revealed and settles n, of which a are drafts that were kept, says of
each of the places r .. r + n - 1 of the order that a / n of its drafts were kept: which of them,
its account does not tell.
"""

from typing import Any

import torch

from unmask.samplers.sampler import StepInfo


class Course:
    """Adds up what the steps of whole sequences tell, an observer of `sample`."""

    def __init__(self, length: int) -> None:
        self._settled: list[tuple[int, int]] = []
        self._is_verified = False
        # Sums over places, as differences between neighbours.
        self._kept = torch.zeros(length + 1, dtype=torch.float64)
        self._met = torch.zeros(length + 1, dtype=torch.float64)
        self.start_batch(0)

    def start_batch(self, num_sequences: int) -> None:
        """The next steps are about so many sequences, with nothing revealed yet."""
        self._step = 0
        self._num_revealed = torch.zeros(num_sequences, dtype=torch.long)

    def note(self, state: Any, info: StepInfo, rows: torch.Tensor) -> None:
        """One step, of the sequences `rows` of the batch."""
        settled, accepted, rows = info.num_revealed.cpu(), info.accepted.cpu(), rows.cpu()
        if self._step == len(self._settled):
            self._settled.append((0, 0))
        tokens, sequences = self._settled[self._step]
        self._settled[self._step] = tokens + int(settled.sum()), sequences + len(rows)
        self._step += 1

        self._is_verified |= bool(info.rejected.any())
        start = self._num_revealed[rows]
        self._num_revealed[rows] += settled
        moves_on = settled > 0  # one that masks more than it reveals tells of no places
        start, stop = start[moves_on], (start + settled)[moves_on]
        share = accepted[moves_on].double() / settled[moves_on]
        for sums, values in ((self._kept, share), (self._met, torch.ones_like(share))):
            sums.index_add_(0, start, values).index_add_(0, stop, -values)

    def tokens_per_pass(self) -> list[float]:
        """Mean number of tokens that the n-th step settled, over the sequences that made it."""
        return [tokens / sequences for tokens, sequences in self._settled]

    def acceptance(self) -> list[float]:
        """Share of the drafts that were kept, by place of the order; empty if all of them were."""
        if not self._is_verified:
            return []
        kept, met = self._kept.cumsum(0)[:-1], self._met.cumsum(0)[:-1]
        return list((kept / met).tolist())
