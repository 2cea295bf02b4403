"""metrics.jsonl: one JSON object per line, in the order of the steps."""

import json
from dataclasses import dataclass
from pathlib import Path

from unmask.atomic import replacing
from unmask.errors import OutputError


@dataclass(frozen=True)
class MetricsFile:
    """A log that can be cut back to a step, so that a resumed run repeats no line."""

    path: Path

    def append(self, **values: float | int) -> None:
        """Add one line; it reaches the operating system at once.

        Raises:
            OutputError: the disk is full or the file cannot be written.
        """
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(values) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write to {self.path}: {error.strerror or error}. Checkpoints are intact; "
                "make room, then go on with `--resume auto`."
            ) from error

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
