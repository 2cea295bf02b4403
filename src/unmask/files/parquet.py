"""A record of rows: JSON lines that grow, or Parquet, by the name of the file.

Parquet cannot be added to. So FILE.parquet.jsonl grows beside it, line by line, and becomes
FILE.parquet once all rows are there; a run that was cut short goes on with the lines.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unmask.errors import DataError, MissingExtraError, OutputError
from unmask.files import json_lines
from unmask.files.atomic import replacing
from unmask.files.line_file import growing
from unmask.files.reading import check_is_regular, dumps

SUFFIX = ".parquet"
_OTHERS = (".csv", ".tsv", ".xlsx", ".arrow", ".feather", ".gz", ".zip")
WriteRow = Callable[[Mapping[str, Any]], None]


@contextmanager
def recording(path: Path, *, is_new: bool, advice: str) -> Iterator[WriteRow]:
    """How to add a row to a record: a new one, or one that may be there already.

    Raises:
        OutputError: a new one is there already, or it cannot be written to. `advice` says how to
            go on where a row did not fit.
        MissingExtraError: pyarrow is not installed.
    """
    if path.suffix in _OTHERS:
        raise OutputError(
            f"{path} is to be of a kind that is not written: JSON lines (.jsonl) and .parquet are."
        )
    if path.suffix != SUFFIX:
        with growing(path, is_new=is_new, advice=advice) as write_line:
            yield lambda row: write_line(dumps(row))
        return
    _library()
    lines = _lines(path)
    if is_new and path.exists():
        raise OutputError(
            f"{path} already exists and is left as it is. Choose another --output; a file of "
            "prompts (--prompts) can be gone on with by --resume."
        )
    if path.exists():
        json_lines.write(lines, read_rows(path))
    with growing(lines, is_new=is_new, advice=advice) as write_line:
        yield lambda row: write_line(dumps(row))
    write_rows(path, json_lines.read(lines))
    lines.unlink()


def rows_of_record(path: Path) -> list[dict[str, Any]]:
    """What a record holds by now, whole or not; nothing if there is none.

    Raises:
        DataError: it is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    if path.suffix != SUFFIX:
        return json_lines.read(path)
    return read_rows(path) if path.exists() else json_lines.read(_lines(path))


def _lines(path: Path) -> Path:
    return path.with_name(f"{path.name}.jsonl")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file, without what is null. Raises `DataError` if it is damaged."""
    pyarrow, parquet = _library()
    try:
        check_is_regular(path)
        rows = parquet.read_table(path).to_pylist()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} is no Parquet file ({error}).") from error
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """A Parquet file of rows, whole or not at all. Raises `OutputError`.

    Of a name under which there are values of several kinds (ids that are numbers and texts, say)
    the column is one of texts.
    """
    pyarrow, parquet = _library()
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows], pyarrow) for name in names}
    with replacing(path) as draft:
        parquet.write_table(pyarrow.table(columns), draft)


def _column(values: list[Any], pyarrow: Any) -> Any:
    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowException, TypeError):
        return pyarrow.array([v if v is None or isinstance(v, str) else dumps(v) for v in values])


def _library() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            "Parquet needs pyarrow, which is not installed. Run `pip install 'unmask[parquet]'`, "
            "or choose an --output that ends in .jsonl."
        ) from error
    return pyarrow, pyarrow.parquet
