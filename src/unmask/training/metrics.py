"""metrics.jsonl: one JSON object per line, in the order of the steps."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask.files import json_lines


def _step(row: dict[str, Any]) -> float:
    """Of a line; of one that is none of ours, behind all others."""
    step = row.get("step")
    return step if isinstance(step, int | float) else math.inf


@dataclass(frozen=True)
class MetricsFile:
    """A log that can be cut back to a step, so that a resumed run repeats no line."""

    path: Path

    def append(self, **values: float | int) -> None:
        """Add one line. Raises `OutputError` if it cannot be written."""
        json_lines.append(
            self.path,
            values,
            advice="Checkpoints are intact; make room, then go on with `--resume auto`.",
        )

    def rows(self) -> list[dict[str, float]]:
        """Every line so far; one cut short by a crash is left out."""
        return json_lines.read(self.path)

    def cut_after(self, step: int) -> None:
        """Drop the lines of later steps, which are about to be run again."""
        json_lines.write(self.path, [row for row in self.rows() if _step(row) <= step])
