"""Files of one JSON object per line, which grow line by line and outlive a crash."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from unmask.errors import OutputError
from unmask.files.atomic import replacing
from unmask.files.reading import check_is_regular, dumps, loads


def read(path: Path) -> list[dict[str, Any]]:
    """Every object so far; a line cut short by a crash is left out, a missing file is empty."""
    if not path.exists():
        return []
    rows = []
    check_is_regular(path)
    for line in path.read_bytes().split(b"\n"):
        try:
            row = loads(line.decode())
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """The file anew, whole or not at all. Raises `OutputError`."""
    with replacing(path) as draft:
        draft.write_text("".join(dumps(row) + "\n" for row in rows), encoding="utf-8")


def append(path: Path, row: Mapping[str, Any], *, advice: str) -> None:
    """Add one line; it reaches the operating system at once.

    Raises `OutputError`, which ends in the advice, if the file cannot be written.
    """
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(dumps(row) + "\n")
    except OSError as error:
        raise OutputError(
            f"cannot write to {path}: {error.strerror or error}. {advice}"
        ) from error
