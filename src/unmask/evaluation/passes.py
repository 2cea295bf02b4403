"""Passes over canvases of any lengths, in batches, and what they cost.

A canvas is a sequence that ends in targets, some or all of them masked; a pass says what stands
at its masks. Canvases are taken as they come, so neighbours should be of like length: the shorter
ones of a batch are padded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unmask.predictors.protocol import Predictor
from unmask.samplers.common import masked_state
from unmask.samplers.common.masked_state import Prediction
from unmask.shapes import PAD, TokenIds

_NUMBERS_AT_ONCE = 2**28
"""Log-probabilities of a pass, about (1 GiB in float32): a vocabulary can be large."""


@dataclass(frozen=True)
class Canvas:
    """One sequence, on the CPU."""

    owner: int
    """Whose it is: the caller's number."""
    filled_ids: Int[Tensor, " L"]
    """With the tokens that stand where it is masked."""
    is_masked: Bool[Tensor, " L"]
    num_targets: int
    """Positions at its end that are masked at most."""


class Passes:
    """Passes of a predictor, and how many there were."""

    def __init__(self, predictor: Predictor, batch_size: int) -> None:
        self.predictor, self.batch_size = predictor, batch_size
        self.num_passes = self.query_tokens = 0

    def over(
        self, canvases: Iterable[Canvas]
    ) -> Iterator[tuple[list[Canvas], TokenIds, Prediction]]:
        """Batches, their filled sequences, and what a pass says at their masks."""
        device = self.predictor.device
        for batch in self._batches(canvases):
            filled_ids = pad_sequence([c.filled_ids for c in batch], True, PAD).to(device)
            is_masked = pad_sequence([c.is_masked for c in batch], True, False).to(device)
            token_ids = filled_ids.masked_fill(is_masked, self.predictor.vocab_size)
            self.num_passes += len(batch)
            self.query_tokens += sum(len(canvas.filled_ids) for canvas in batch)
            yield batch, filled_ids, masked_state.predict(self.predictor, token_ids, is_masked)

    def _batches(self, canvases: Iterable[Canvas]) -> Iterator[list[Canvas]]:
        batch: list[Canvas] = []
        for canvas in canvases:
            columns = max(each.num_targets for each in [canvas, *batch])
            numbers = (len(batch) + 1) * columns * self.predictor.vocab_size
            if batch and (len(batch) == self.batch_size or numbers > _NUMBERS_AT_ONCE):
                yield batch
                batch = []
            batch.append(canvas)
        if batch:
            yield batch
