"""One process at a time at work in a folder.

The lock is the operating system's, on a file of the folder: it is gone when its process is,
however that ended, so no stale lock is ever left. The file holds the number of the process that
has it, for whoever is turned away.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from unmask.errors import OutputError
from unmask.files.atomic import make_folder

LOCK_FILE = ".unmask.lock"

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[Any]) -> None:
        file.seek(2**40)  # where nothing stands: a locked byte cannot be read by others
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[Any]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_to_lock(file: IO[Any]) -> bool:
    """Have a file to oneself until it is closed; whether nobody else has it."""
    try:
        _lock(file)
    except OSError:
        return False
    return True


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have the folder to oneself, made if need be.

    Raises:
        OutputError: another process is at work in it, or it cannot be written to.
    """
    make_folder(folder)
    path = folder / LOCK_FILE
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}. Choose another place."
        ) from error
    with file:
        if not try_to_lock(file):
            file.seek(0)
            holder = file.read(20).strip()
            raise OutputError(
                f"another process{f' ({holder})' if holder else ''} is at work in {folder}. Wait "
                "until it is done, or choose another folder."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
