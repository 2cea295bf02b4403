"""Teaching a causal tail to verify what its frozen trunk drafts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from unmask.files.tensors import weights_fingerprint
from unmask.network.adapted import TailConfig
from unmask.network.config import HybridConfig
from unmask.network.tail_folder import write_tail
from unmask.shapes import TokenIds
from unmask.training.objective import Corruption
from unmask.training.task import Task


@dataclass(frozen=True)
class TailTask:
    """What another task learns from; what is written is the tail alone."""

    lessons: Task
    trunk: Any
    """A `Trunk`."""
    tail: TailConfig
    lengths: Mapping[str, int] | None = None
    """How many of the sequences are how long, where that differs."""

    @property
    def fingerprint(self) -> str:
        """Of the lessons, and of the trunk."""
        return f"{self.lessons.fingerprint}-{weights_fingerprint(self.trunk)}"

    def batch(self, seed: int, step: int, size: int) -> tuple[TokenIds, Corruption]:
        """The examples of a step."""
        token_ids, corruption = self.lessons.batch(seed, step, size)
        assert isinstance(corruption, Corruption), "no causal trunk is adapted"
        return token_ids, replace(corruption, num_tokens=None)  # a tail does not run packed

    def validation(self, size: int) -> tuple[TokenIds, Corruption]:
        """Examples that are not trained on."""
        token_ids, corruption = self.lessons.validation(size)
        assert isinstance(corruption, Corruption), "no causal trunk is adapted"
        return token_ids, corruption

    def write(self, folder: Path, config: HybridConfig, weights: dict[str, Tensor]) -> None:
        """A tail folder."""
        write_tail(folder, self.tail, weights, self.trunk, self.lengths)
