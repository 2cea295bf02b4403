"""Files of records: one sequence each, of any length, with a name where they have one.

    >P69905 Hemoglobin subunit alpha        FASTA: a header, then the sequence on as many lines as
    MVLSPADKTNVKAAWGKVGAHAGEYGAEAL          it takes

    SMILES,logP                             CSV or TSV with a column smiles, molecule, sequence or
    CCO,-0.14                               text, or the one that is named

    CCO ethanol                             .smi: a molecule on each line, and its name

Of a sequence in FASTA white space, gaps (- and .) and one * at the end, which is a stop, are left
out; lower case, which marks what is masked for a search, is read as upper case; J (I or L) as X.
What is no letter of the vocabulary is found when it is encoded, and the record is named.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unmask.data.files import LOOKED_AT, looks_like_fasta, read_bytes
from unmask.errors import DataError

COLUMNS = ("smiles", "molecule", "sequence", "text")
"""Of a table, in any case: the first of them that is there."""
FASTA_SUFFIXES = (".fasta", ".fa", ".faa", ".fna")
_COMPRESSION = re.compile(r"\.(gz|bz2|xz|zip)$")


class Record(NamedTuple):
    """One sequence of a file."""

    name: str
    """Its header as it stands in the file; "" where there is none."""
    text: bytes
    where: str
    """Which record it is, and where, for whoever has to mend it."""

    @property
    def id(self) -> str:
        """The first word of the header, by which other files name it."""
        return self.name.split(maxsplit=1)[0] if self.name.strip() else ""


@dataclass(frozen=True)
class Records:
    """The records of a file, read once."""

    each: Iterator[Record]
    usual_vocabulary: str
    """By name; "" where the file does not tell."""


def read_records(path: Path | str, *, column: str = "") -> Records | None:
    """The records of a file, which may be packed; None: it is a text, which has none.

    `column` names that of a table. Raises `DataError`, some of it only when a record is reached.
    """
    suffix = Path(_COMPRESSION.sub("", str(path).lower())).suffix
    beginning, is_named_so = read_bytes(path, beginning=LOOKED_AT), suffix in FASTA_SUFFIXES
    if looks_like_fasta(beginning) or (is_named_so and beginning.lstrip().startswith(b">")):
        return Records(fasta(read_bytes(path), str(path)), "residues")
    if is_named_so:
        raise DataError(
            f"{path}, line 1: a sequence without a header. In FASTA a line that begins with '>' "
            "stands before each sequence."
        )
    if suffix in (".csv", ".tsv"):
        delimiter = "\t" if suffix == ".tsv" else ","
        return table(read_bytes(path), str(path), column, delimiter)
    if suffix in (".smi", ".smiles"):
        return Records(_lines(read_bytes(path), str(path)), "smiles")
    if column:
        raise DataError(f"{path} is no table, so it has no column {column!r}. Leave it out.")
    return None


def fasta(data: bytes, source: str) -> Iterator[Record]:
    """The records of a FASTA file. Raises `DataError` for one that is empty, and for a binary."""
    if b"\0" in data[:LOOKED_AT]:
        raise DataError(f"{source} is no FASTA: it has bytes that no text has.")
    line = data[: data.index(b">")].count(b"\n") + 1
    for number, block in enumerate(re.split(rb"(?m)^>", data.lstrip())[1:], start=1):
        header, _, body = block.partition(b"\n")
        name = header.decode(errors="replace").strip()
        where = f"{source}, record {number} (line {line}, {name!r:.40})"
        text = body.translate(_UPPER, b" \t\r\n\f\v-.")
        text = text[:-1] if text.endswith(b"*") else text
        if not text:
            raise DataError(f"{where} has no sequence. Add it, or take the header out.")
        yield Record(name, text, where)
        line += block.count(b"\n")


_UPPER = bytes(range(256)).upper().replace(b"J", b"X")


def table(data: bytes, source: str, column: str, delimiter: str) -> Records:
    """The records of one column. Raises `DataError` if there is none such, or a row has none."""
    csv.field_size_limit(2**24)
    lines = io.StringIO(_decoded(data, source), newline="")
    rows = csv.reader(lines, delimiter=delimiter)
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise DataError(f"{source} is not a CSV file ({error}).") from error
    place = _column(header, column, source)
    is_smiles = header[place].lower() in ("smiles", "molecule")
    return Records(_rows(rows, header, place, source), "smiles" if is_smiles else "")


def _rows(rows: Any, header: list[str], place: int, source: str) -> Iterator[Record]:
    try:
        for row in rows:
            if not row:
                continue
            where = f"{source}, line {rows.line_num}"
            text = row[place].strip() if place < len(row) else ""
            if not text:
                raise DataError(f"{where} has nothing under {header[place]!r}. Take it out.")
            yield Record("", text.encode(), where)
    except csv.Error as error:
        raise DataError(f"{source} is not a CSV file ({error}).") from error


def _column(header: list[str], column: str, source: str) -> int:
    """Which column holds the sequences."""
    names = [name.lower() for name in header]
    for wanted in [column.lower()] if column else COLUMNS:
        if wanted in names:
            return names.index(wanted)
    raise DataError(
        f"{source} has no column {column or ', '.join(COLUMNS)!s}: its first line names "
        f"{', '.join(map(repr, header[:8])) or 'none'}. Name the one with the sequences "
        "(--column)."
    )


def _lines(data: bytes, source: str) -> Iterator[Record]:
    for number, line in enumerate(_decoded(data, source).splitlines(), start=1):
        text, *name = line.split(maxsplit=1) or [""]
        if text:
            yield Record("".join(name).strip(), text.encode(), f"{source}, line {number}")


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8 text ({error}). Convert it first.") from error


def read_clusters(path: Path | str) -> dict[str, str]:
    """Which record represents the cluster of each, by id: MMseqs2's two columns.

    Raises `DataError` if a line has not two.
    """
    found = {}
    for number, line in enumerate(_decoded(read_bytes(path), str(path)).splitlines(), start=1):
        names = line.split("\t")
        if len(names) != 2:
            raise DataError(
                f"{path}, line {number} must name a representative and a member, with a tab "
                f"between them; got {line!r:.60}."
            )
        found[names[1].strip()] = names[0].strip()
    return found
