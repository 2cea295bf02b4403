"""Files that appear whole or not at all: written beside their place, flushed, renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unmask.errors import OutputError

PARTIAL = ".unmask-partial"
"""How the name of a file ends that is being written: only we leave such files behind."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` once the block has ended well.

    Raises:
        OutputError: the disk is full or the place cannot be written; `path` is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield draft
        with draft.open("r+b") as file:
            os.fsync(file.fileno())
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # where no file can be, none can be removed
            draft.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}. What was there before is intact; "
            "make room or choose another place, and run again."
        ) from error
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """See to it that a rename in a folder outlives a power cut, where folders can be synced."""
    if os.name != "posix":
        return
    with suppress(OSError):  # some file systems have no such thing
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def make_folder(folder: Path) -> None:
    """Make a folder and those it lies in, if need be. Raises `OutputError` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {folder}: {error.strerror}. Choose another place."
        ) from error
