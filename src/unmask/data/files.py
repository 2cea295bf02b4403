"""Data files as bytes, compressed or not: .gz, .bz2, .xz, .zip by name, anything else as it is."""

import bz2
import codecs
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from unmask.errors import DataError
from unmask.files.reading import check_is_regular

_COMPRESSED: dict[str, Callable[[Path], BufferedIOBase]] = {
    ".gz": gzip.GzipFile,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}
_MOST_BYTES, _MOST_TIMES = 2**32, 200
"""That are read of a file: 4 GiB, and 200 times what it was packed into."""
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def read_bytes(
    path: Path | str, member: str | None = None, *, beginning: int | None = None
) -> bytes:
    """The content of a file, decompressed; of a .zip, its only member or the one named.

    A member may be named by the path alone: archive.zip/folder/text.txt. `beginning` asks for so
    many bytes at most.
    """
    path = Path(path)
    if member is None:
        path, member = _archive_and_member(path)
    _check_is_readable(path)
    suffix = path.suffix.lower()
    if member is not None and suffix != ".zip":
        raise DataError(
            f"{path} is not a .zip archive, so it has no member {member!r}. "
            "Leave the member out, or give the archive itself."
        )
    if suffix != ".zip" and suffix not in _COMPRESSED:
        check_is_regular(path, most=_MOST_BYTES)
        with path.open("rb") as file:
            data = file.read(-1 if beginning is None else beginning)
    else:
        try:
            if suffix == ".zip":
                data = _read_member(path, member, beginning)
            else:
                data = _decompress(path, suffix, beginning)
        except _DAMAGE as error:
            raise DataError(
                f"{path} is damaged or not a {suffix} file ({error}). "
                "Download or copy it again; if it is not compressed, rename it."
            ) from error
    if not data:
        raise DataError(f"{path} holds no data: it is empty. Check how it was made or copied.")
    return data


def _archive_and_member(path: Path) -> tuple[Path, str | None]:
    """Of a path that goes on below an archive; of any other, it and None."""
    for parent in path.parents:
        if parent.suffix.lower() == ".zip" and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, None


def read_as_text(path: Path | str, member: str | None = None) -> bytes:
    """The content of a text file, in UTF-8 or anything else that agrees with ASCII.

    What says by its first bytes that it is in UTF-16 or UTF-32 is converted; a mark of UTF-8 and a
    last end of line are left out.

    Raises:
        DataError: as `read_bytes`; or it is evidently no text: says what it is.
    """
    data = read_bytes(path, member)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                data = data.decode(encoding).encode()
            except UnicodeDecodeError as error:
                raise DataError(f"{path} begins as {encoding}, and is not ({error}).") from error
            break
    if b"\0" in data[:LOOKED_AT] or _is_tensors(data):
        raise DataError(
            f"{path} is no text: it has bytes that no text has. Give a plain text, or one packed "
            "as .gz, .bz2, .xz or .zip under its own name."
        )
    if looks_like_fasta(data[:LOOKED_AT]):
        raise DataError(
            f"{path} looks like FASTA: its first line begins with '>', and sequences follow. This "
            "reads texts; take the header lines out if it is one."
        )
    return re.sub(rb"\r?\n\Z", b"", data)


_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)  # fmt: skip
LOOKED_AT = 2**16
"""Bytes of a file by which it is told what it is."""


def looks_like_fasta(beginning: bytes) -> bool:
    """Whether a file begins with a header, and a sequence behind it: a text may begin with ">"."""
    return bool(re.match(rb"\s*>\S[^\n]*\n[A-Za-z*\-\s]+(\n>|$)", beginning))


def _is_tensors(data: bytes) -> bool:
    """Whether it begins as a safetensors file: the length of a header, and the header."""
    return data[8:10] == b'{"' and int.from_bytes(data[:8], "little") <= len(data)


def members(path: Path | str) -> list[str]:
    """The files in a folder or a .zip by name, in order; of any other file [""].

    Raises:
        DataError: there is nothing at the path, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.is_file())
        return [file.relative_to(path).as_posix() for file in inside]
    _check_is_readable(path)
    if path.suffix.lower() != ".zip":
        return [""]
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(_files_in(archive))
    except _DAMAGE as error:
        raise DataError(
            f"{path} is damaged or not a .zip file ({error}). Download or copy it again."
        ) from error


def _files_in(archive: zipfile.ZipFile) -> list[str]:
    # macOS adds a shadow of every file under __MACOSX/.
    return [
        info.filename
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]


def _decompress(path: Path, suffix: str, beginning: int | None) -> bytes:
    with _COMPRESSED[suffix](path) as file:
        return _unpacked(file, path, path.stat().st_size, beginning)


def _unpacked(file: Any, path: Path, packed: int, beginning: int | None) -> bytes:
    """All of it, unless it is so much more than what it was packed into that no text is."""
    if beginning is not None:
        return bytes(file.read(beginning))
    most = min(_MOST_BYTES, 2**26 + _MOST_TIMES * packed)
    data: bytes = file.read(most + 1)
    if len(data) > most:
        raise DataError(
            f"{path} unpacks to more than {most:,} bytes, which is more than is read at once, or "
            "more than a text of its size can be. Unpack it, and give a part."
        )
    return data


def _check_is_readable(path: Path) -> None:
    try:
        check_is_regular(path, most=_MOST_BYTES)
        with path.open("rb"):
            pass
    except FileNotFoundError:
        relative_to = "" if path.is_absolute() else f", which is relative to {Path.cwd()}"
        raise DataError(f"there is no file {path}. Check the path{relative_to}.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a directory. Give one of the files in it.") from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Give a file that can be read to its end."
        ) from error


def _read_member(path: Path, member: str | None, beginning: int | None) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = _files_in(archive)
        if not names:
            raise DataError(f"{path} holds no files. Check how the archive was made.")
        if member is None and len(names) > 1:
            raise DataError(
                f"{path} holds {len(names)} files and none was chosen. "
                f"Name one of its members, as {path}/{names[0]}: {_listed(names)}."
            )
        name = names[0] if member is None else member
        if name not in names:
            raise DataError(f"{path} has no member {name!r}. It has: {_listed(names)}.")
        try:
            with archive.open(name) as file:
                return _unpacked(file, path, archive.getinfo(name).compress_size, beginning)
        except (RuntimeError, NotImplementedError) as error:
            raise DataError(
                f"{path}: member {name!r} cannot be unpacked here ({error}). "
                "Unpack it with another tool and give the plain file."
            ) from error


def _listed(names: list[str], limit: int = 10) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more
