"""Time inside the passes of a causal trunk, while it generates.

Its passes go on from what earlier ones left in a memory that sequences carry along, so they cannot
be made again by themselves as `replay.py` does: they are timed where they are made.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.predictors.protocol import Draft
from unmask.predictors.stream import Branched, Extended, StreamPredictor
from unmask.shapes import TokenIds, WindowIds, WindowLogProbs
from unmask.speed.replay import PassSeconds

Made = TypeVar("Made")


class TimedStream:
    """A `StreamPredictor` that answers as `network` does, and notes what that takes."""

    def __init__(self, network: StreamPredictor) -> None:
        self.network = network
        self.vocab_size, self.device = network.vocab_size, network.device
        self.stream_shape, self.max_window = network.stream_shape, network.max_window
        self.first_target_is_draft, self.fills_in = network.first_target_is_draft, network.fills_in
        self._seconds = {"trunk": 0.0, "tail": 0.0, "select": 0.0}
        self.num_trunk = self.num_tail = 0

    @property
    def seconds(self) -> PassSeconds:
        """So far."""
        return PassSeconds(trunk=self._seconds["trunk"], tail=self._seconds["tail"])

    def _timed(self, part: str, made: Callable[[], Made]) -> Made:
        self._finish()
        start = time.perf_counter()
        found = made()
        self._finish()
        self._seconds[part] += time.perf_counter() - start
        return found

    def _finish(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def extend(self, *arguments: Any, **others: Any) -> Extended:
        """See `StreamPredictor`."""
        self.num_trunk += 1
        return self._timed("trunk", lambda: self.network.extend(*arguments, **others))

    def branch(self, *arguments: Any, **others: Any) -> Branched:
        """See `StreamPredictor`."""
        self.num_trunk += 1
        return self._timed("trunk", lambda: self.network.branch(*arguments, **others))

    def draft(self, token_ids: TokenIds, positions: WindowIds) -> Draft:
        """See `Predictor`."""
        return self.network.draft(token_ids, positions)

    def verify(self, draft: Draft, **others: Any) -> WindowLogProbs:
        """See `HybridPredictor`."""
        self.num_tail += 1
        return self._timed("tail", lambda: self.network.verify(draft, **others))

    def select(self, draft: Draft, rows: Int[Tensor, " N"]) -> Draft:
        """See `HybridPredictor`."""
        return self._timed("select", lambda: self.network.select(draft, rows))
