"""What a run tells those who watch it, and the lines it writes to metrics.jsonl."""

from collections.abc import Callable
from dataclasses import dataclass

from unmask.training.state import Progress
from unmask.training.validation import Validation


@dataclass(frozen=True)
class Report:
    """What observers (progress bars, logs) are told after a step."""

    progress: Progress
    num_steps: int
    draft_bits: float
    """Bits per token of the draft, the mean over the steps since the last report."""
    target_bits: float
    grad_norm: float
    """Before clipping; a mean likewise."""
    tokens_per_second: float
    validation: Validation | None = None
    """The last one of this session."""

    def row(self) -> dict[str, float | int]:
        """The line of metrics.jsonl; validations have lines of their own."""
        return {
            "step": self.progress.step,
            "tokens": self.progress.num_tokens,
            "seconds": round(self.progress.seconds, 3),
            "cpu_seconds": round(self.progress.cpu_seconds, 3),
            "draft_bits": self.draft_bits,
            "target_bits": self.target_bits,
            "grad_norm": self.grad_norm,
            "tokens_per_second": self.tokens_per_second,
        }


Observer = Callable[[Report], None]


def validation_row(step: int, validation: Validation) -> dict[str, float | int]:
    """The line of metrics.jsonl for a validation."""
    return {
        "step": step,
        "valid_draft_bits": validation.draft_bits,
        "valid_target_bits": validation.target_bits,
        "valid_draft_standard_error": validation.draft_standard_error,
        "valid_target_standard_error": validation.target_standard_error,
    }
