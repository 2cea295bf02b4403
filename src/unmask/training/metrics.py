"""metrics.jsonl: one JSON object per line, in the order of the steps."""

import json
from dataclasses import dataclass
from pathlib import Path

from unmask.network.checkpoint import replacing


@dataclass(frozen=True)
class MetricsFile:
    """A log that can be cut back to a step, so that a resumed run repeats no line."""

    path: Path

    def append(self, **values: float | int) -> None:
        """Add one line; it reaches the operating system at once."""
        with self.path.open("a") as file:
            file.write(json.dumps(values) + "\n")

    def rows(self) -> list[dict[str, float]]:
        """Every line so far; one cut short by a crash is left out."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows

    def cut_after(self, step: int) -> None:
        """Drop the lines of later steps, which are about to be run again."""
        kept = [row for row in self.rows() if row["step"] <= step]
        with replacing(self.path) as draft:
            draft.write_text("".join(json.dumps(row) + "\n" for row in kept))
