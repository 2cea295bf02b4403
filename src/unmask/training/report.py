"""What a run tells those who watch it, and the lines it writes to metrics.jsonl."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from unmask.training.state import Progress
from unmask.training.validation import Validation


@dataclass(frozen=True)
class Report:
    """What observers (progress bars, logs) are told after a step."""

    progress: Progress
    num_steps: int
    bits: Mapping[str, float]
    """Bits per token of "draft", "target" and "stream", of those there are: the mean over the
    steps since the last report."""
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
            **{f"{name}_bits": value for name, value in self.bits.items()},
            "grad_norm": self.grad_norm,
            "tokens_per_second": self.tokens_per_second,
        }


Observer = Callable[[Report], None]


def validation_row(step: int, validation: Validation) -> dict[str, float | int]:
    """The line of metrics.jsonl for a validation."""
    return {
        "step": step,
        **{f"valid_{name}_bits": value for name, value in validation.bits.items()},
        **{f"valid_{name}_standard_error": e for name, e in validation.standard_errors.items()},
    }
