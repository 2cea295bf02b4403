"""Teaching a causal tail to verify what its frozen trunk drafts, on questions with answers."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from unmask.dllm.adapted import TailConfig
from unmask.dllm.network import DllmNetwork
from unmask.dllm.tail_folder import write_tail
from unmask.files.tensors import weights_fingerprint
from unmask.network.config import HybridConfig
from unmask.shapes import TokenIds
from unmask.training.objective import Corruption
from unmask.training.question_task import QuestionTask


@dataclass(frozen=True)
class TailTask:
    """The questions of a task; what is written is the tail alone."""

    questions: QuestionTask
    trunk: DllmNetwork
    tail: TailConfig

    @property
    def fingerprint(self) -> str:
        """Of the questions, and of the trunk."""
        return f"{self.questions.fingerprint}-{weights_fingerprint(self.trunk)}"

    def batch(self, seed: int, step: int, size: int) -> tuple[TokenIds, Corruption]:
        """The examples of a step."""
        token_ids, corruption = self.questions.batch(seed, step, size)
        return token_ids, replace(corruption, num_tokens=None)  # a tail does not run packed

    def validation(self, size: int) -> tuple[TokenIds, Corruption]:
        """Examples that are not trained on."""
        return self.questions.validation(size)

    def write(self, folder: Path, config: HybridConfig, weights: dict[str, Tensor]) -> None:
        """A tail folder."""
        write_tail(folder, self.tail, weights, self.trunk)
