"""What a run on sequences of any length learns from: whole ones, in batches of nearly one length.

The ends of a sequence, and whatever else its vocabulary never generates, are given; the rest is
hidden and learnt as that of a text is (task.py).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unmask.data.sequences import SequenceCorpus, Sequences
from unmask.draws import SeededDraws, stream_seed
from unmask.errors import DataError
from unmask.network import checkpoint
from unmask.network.config import HybridConfig
from unmask.process.orders import given_first, left_to_right
from unmask.shapes import PAD, TokenIds
from unmask.training.config import Orders
from unmask.training.objective import Corruption, corrupt_answers
from unmask.training.task import VALIDATION_WINDOW
from unmask.training.windowed import WindowedCorruption, given_patterns, random_partition
from unmask.vocabularies.vocabulary import Vocabulary

_SEQUENCES, _MASKS, _PATTERNS = range(3)


@dataclass(frozen=True, eq=False)
class SequenceTask:
    """Sequences up to the network's length. Raises `DataError` if there are none."""

    corpus: SequenceCorpus
    length: int
    """The longest that the network reads, ends included."""
    orders: Orders
    vocabulary: Vocabulary
    max_window: int | None = None
    """Of a causal trunk, which learns in windows; None: of one that reads any order."""
    given_share: float = 0.0
    """See `TrainerConfig`."""

    def __post_init__(self) -> None:
        for name, part in (("training", self.train), ("validation", self.valid)):
            if not len(part):
                raise DataError(
                    f"no sequence for {name} has at most {self.longest} {self.vocabulary.unit}, "
                    "which the model can read. Set --model.length to more."
                )

    @property
    def longest(self) -> int:
        """Of a sequence without its ends."""
        return self.length - self.vocabulary.num_ends

    @cached_property
    def train(self) -> Sequences:
        """Those that are learnt from: longer ones are left out."""
        return self.corpus.train.readable(self.longest, self.vocabulary.silent_ids)

    @cached_property
    def valid(self) -> Sequences:
        """Those for validation."""
        return self.corpus.valid.readable(self.longest, self.vocabulary.silent_ids)

    @property
    def fingerprint(self) -> str:
        """Of the sequences."""
        return self.corpus.fingerprint

    def batch(
        self, seed: int, step: int, size: int
    ) -> tuple[TokenIds, Corruption | WindowedCorruption]:
        """Sequences of nearly one length, of about `size` times as many tokens as the mean."""
        draws = SeededDraws([stream_seed(seed, step, _SEQUENCES)])
        mean_length = len(self.train.token_ids) / len(self.train)
        numbers = self.train.groups.draw(draws, size * mean_length)
        rows = self._rows(self.train, numbers.tolist())
        return self._hidden(rows, stream_seed(seed, step, _MASKS))

    def validation(self, size: int) -> tuple[TokenIds, Corruption | WindowedCorruption]:
        """Sequences evenly spaced over the validation part, the same each time."""
        rows = self._rows(self.valid, self.valid.evenly(size))
        if self.max_window is None:
            return self._hidden(rows, 0)
        return self._hidden(rows, 0, window=min(VALIDATION_WINDOW, max(1, self.max_window)))

    def write(self, folder: Path, config: HybridConfig, weights: dict[str, Tensor]) -> None:
        """The folder of a hybrid network, which says how long what it learnt from was."""
        codec, files = self.vocabulary.to_json(), self.vocabulary.files()
        checkpoint.write_model(folder, config, weights, codec, files, self.num_of_lengths)

    @cached_property
    def num_of_lengths(self) -> dict[str, int]:
        """How many of the sequences that are learnt from have each length."""
        values, counts = self.train.lengths.unique(return_counts=True)
        return {str(n): count for n, count in zip(values.tolist(), counts.tolist(), strict=True)}

    def _rows(self, part: Sequences, numbers: list[int]) -> list[Tensor]:
        return [self.vocabulary.between_ends(part[number]) for number in numbers]

    def _hidden(
        self, rows: list[Tensor], seed: int, window: int | None = None
    ) -> tuple[TokenIds, Corruption | WindowedCorruption]:
        token_ids = pad_sequence(rows, batch_first=True, padding_value=PAD)
        silent = torch.tensor(self.vocabulary.silent_ids, dtype=torch.int64)
        is_given = torch.isin(token_ids, silent)
        length = torch.tensor([len(row) for row in rows])
        if self.max_window is None:
            return token_ids, corrupt_answers(seed, is_given, length, self.orders)
        return token_ids, self._windowed(seed, is_given, length, window)

    def _windowed(
        self, seed: int, is_given: Bool[Tensor, "B L"], length: Tensor, window: int | None
    ) -> WindowedCorruption:
        """In windows; what is given comes first, and in a share of them some of the rest."""
        batch_size, width = is_given.shape
        if self.given_share and window is None:
            draws = SeededDraws([stream_seed(seed, _PATTERNS)])
            is_given = is_given | given_patterns(draws, batch_size, width, self.given_share)
        is_there = torch.arange(width) < length[:, None]
        # At least one token is left to learn: the last that is not an end.
        whole = (is_given | ~is_there).all(dim=1)
        last = length - 1 - len(self.vocabulary.ends[1])
        is_given[whole, last[whole]] = False
        is_given &= is_there
        # Padding comes last in reading order, and stays there.
        order = given_first(left_to_right(batch_size, width), is_given)
        slots = torch.arange(width)
        starts = (
            random_partition(SeededDraws([seed]), width, self.max_window or 1)
            if window is None
            else slots - slots % window
        )
        return WindowedCorruption(order, is_given.sum(dim=1), length, starts)
