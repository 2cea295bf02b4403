"""Rows of a dataset of the Hugging Face hub, or of a folder of files, one after the other.

    datasets:NAME            the split train of a dataset by its id, or of a folder of files
    datasets:NAME:SPLIT      another split
    datasets:NAME:CONFIG:SPLIT

Rows come as a stream, never all at once, and a stream has a position, from which another one goes
on. No code of a dataset is run: library `datasets` reads files alone (`pip install
"unmask[datasets]"`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unmask.data.records import COLUMNS
from unmask.errors import ConfigError, DataError

_PREFIX = "datasets:"
_OF_RECORDS = {"smiles": "smiles", "molecule": "smiles", "sequence": "residues"}
"""The usual vocabulary of a column that holds sequences."""


def is_stream(path: Path | str) -> bool:
    """Whether this names a dataset."""
    return isinstance(path, str) and path.startswith(_PREFIX)


@dataclass
class DatasetStream:
    """The rows of a dataset, from its beginning or from a position.

    Raises:
        ConfigError: the library is not installed, or the name is none.
        DataError: there is no such dataset, split or column.
    """

    name: str
    """As `datasets:...`."""
    column: str = ""
    """Which one; "": smiles, molecule, sequence or text, the first that is there."""
    _rows: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rows = _opened(self.name)
        columns = self._rows.column_names or []
        there = {name.lower(): name for name in columns}
        wanted = (self.column.lower(),) if self.column else COLUMNS
        found = next((there[name] for name in wanted if name in there), None)
        if found is None:
            raise DataError(
                f"{self.name} has no column {' or '.join(wanted)}; it has "
                f"{', '.join(columns) or 'none that are known'}. Name one with --column."
            )
        self.column = found

    @property
    def usual_vocabulary(self) -> str:
        """By name; "" where the rows are texts."""
        return _OF_RECORDS.get(self.column.lower(), "")

    @property
    def position(self) -> dict[str, Any]:
        """Of the next row: plain JSON values."""
        found: dict[str, Any] = self._rows.state_dict()
        return found

    def go_to(self, position: dict[str, Any]) -> None:
        """Begin at a position. Raises `DataError` if it is none of this dataset."""
        try:
            self._rows.load_state_dict(position)
        except Exception as error:
            raise DataError(
                f"{self.name} cannot be gone on with where it was left ({error}): it changed "
                "since. Prepare it anew, in another --out."
            ) from error

    def texts(self) -> Iterator[tuple[bytes, str]]:
        """Each row's text, and where it stands."""
        try:
            for number, row in enumerate(self._rows, start=1):
                text, where = row[self.column], f"{self.name}, row {number:,} from where it began"
                if not isinstance(text, str):
                    raise DataError(
                        f"{where}: column {self.column} holds {type(text).__name__}, no text."
                    )
                yield text.encode(), where
        except DataError:
            raise
        except Exception as error:  # the library's and the network's are of a dozen kinds
            raise DataError(
                f"{self.name} could not be read on ({type(error).__name__}: {error!s:.200}). Run "
                "the command again: it goes on from the last note."
            ) from error


def _opened(name: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ConfigError(
            f"{name} is a dataset, and the library `datasets` is not installed. Install it: "
            'pip install "unmask[datasets]".'
        ) from error
    place, *rest = name.removeprefix(_PREFIX).split(":")
    config, split = [None, "train"] if not rest else [None, *rest][-2:]
    if not place or len(rest) > 2 or not split or config == "":
        raise ConfigError(
            f"{name!r:.80} names no dataset. Write datasets:NAME, datasets:NAME:SPLIT or "
            "datasets:NAME:CONFIG:SPLIT."
        )
    try:
        return datasets.load_dataset(place, config, split=split, streaming=True)
    except Exception as error:  # as above
        raise DataError(
            f"{name} cannot be opened ({type(error).__name__}: {error!s:.200}). Check its name, "
            "its split and the network."
        ) from error
