"""What a run learns from, and how the model it makes is written.

A step of a run asks for a batch; what it gets is a function of the run's seed and the step.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from unmask.data.text import Corpus, consecutive_crops, random_crops
from unmask.draws import SeededDraws, stream_seed
from unmask.network import checkpoint
from unmask.network.config import HybridConfig
from unmask.shapes import TokenIds
from unmask.training.config import Orders
from unmask.training.objective import Corruption, corrupt
from unmask.training.windowed import WindowedCorruption, even_windows, in_windows
from unmask.vocabularies.vocabulary import Vocabulary

_CROPS, _MASKS = range(2)  # purposes of a step's random streams
VALIDATION_WINDOW = 8
"""Tokens of each window in which a causal trunk is validated, or as many as it drafts."""


@runtime_checkable
class Task(Protocol):
    """Sequences, and the format of the model."""

    @property
    def fingerprint(self) -> str:
        """Of what is learnt from: the same for the same sequences."""
        ...

    def batch(
        self, seed: int, step: int, size: int
    ) -> tuple[TokenIds, Corruption | WindowedCorruption]:
        """The sequences of a step, and what of them is hidden."""
        ...

    def validation(self, size: int) -> tuple[TokenIds, Corruption | WindowedCorruption]:
        """Sequences that are not trained on, always the same."""
        ...

    def write(self, folder: Path, config: Any, weights: dict[str, Tensor]) -> None:
        """A model folder that `unmask.load` reads. Raises `OutputError`."""
        ...


@dataclass(frozen=True)
class TextTask:
    """Crops of one long text. Raises `DataError` if it is too short for one."""

    corpus: Corpus
    length: int
    orders: Orders
    vocabulary: Vocabulary
    max_window: int | None = None
    """Of a causal trunk, which learns in windows; None: of one that reads any order."""
    given_share: float = 0.0
    """See `TrainerConfig`."""

    def __post_init__(self) -> None:
        for part in (self.corpus.train, self.corpus.valid):
            consecutive_crops(part, self.length, 1)

    @property
    def fingerprint(self) -> str:
        """Of the text."""
        return self.corpus.fingerprint

    def batch(
        self, seed: int, step: int, size: int
    ) -> tuple[TokenIds, Corruption | WindowedCorruption]:
        """Crops that start anywhere, and random masks."""
        crops = SeededDraws([stream_seed(seed, step, _CROPS)])
        token_ids = random_crops(self.corpus.train, self.length, size, crops)
        masks_seed = stream_seed(seed, step, _MASKS)
        if self.max_window is None:
            return token_ids, corrupt(masks_seed, size, self.length, self.orders)
        return token_ids, in_windows(
            masks_seed,
            size,
            self.length,
            max_window=self.max_window,
            given_share=self.given_share,
        )

    def validation(self, size: int) -> tuple[TokenIds, Corruption | WindowedCorruption]:
        """Crops evenly spaced over the validation part; i is stratified over all of them."""
        token_ids = consecutive_crops(self.corpus.valid, self.length, size)
        if self.max_window is not None:
            window = min(VALIDATION_WINDOW, max(1, self.max_window))
            return token_ids, even_windows(size, self.length, window)
        return token_ids, corrupt(0, size, self.length, self.orders)

    def write(self, folder: Path, config: HybridConfig, weights: dict[str, Tensor]) -> None:
        """The folder of a hybrid network."""
        codec, files = self.vocabulary.to_json(), self.vocabulary.files()
        checkpoint.write_model(folder, config, weights, codec, files)
