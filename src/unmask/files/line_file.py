"""A file that grows line by line: each line is there whole, or not at all.

A full disk, a kill or a power cut leaves whole lines, and half of one at most at the end, which
is dropped where the file is gone on with. One process at a time writes to it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unmask.errors import OutputError
from unmask.files.lock import try_to_lock


@contextmanager
def growing(path: Path, *, is_new: bool, advice: str) -> Iterator[Callable[[str], None]]:
    """How to add a line to a file: a new one, or one that is there already.

    Raises:
        OutputError: a new one is there already, or the file cannot be written to, or another
            process is writing to it. `advice` says how to go on where a line did not fit.
    """
    flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if is_new else 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileExistsError as error:
        raise OutputError(
            f"{path} already exists and is left as it is. Choose another --output; a file of "
            "prompts (--prompts) can be gone on with by --resume."
        ) from error
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror}. Choose another --output."
        ) from error
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        if not try_to_lock(file):
            raise OutputError(f"another process is writing to {path}. Wait until it is done.")
        end = _end_of_whole_lines(path)
        file.truncate(end)
        file.seek(end)

        def write_line(line: str) -> None:
            nonlocal end
            data = memoryview(line.encode("utf-8", "backslashreplace") + b"\n")
            try:
                while data:
                    data = data[file.write(data) :]
            except BaseException as error:
                with suppress(OSError):
                    file.truncate(end)
                if not isinstance(error, OSError):
                    raise
                raise OutputError(
                    f"cannot go on writing {path}: {error.strerror}. {advice}"
                ) from error
            end = file.tell()

        yield write_line


def _end_of_whole_lines(path: Path) -> int:
    """Behind the last line that was written to its end."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - 2**16)
            file.seek(start)
            found = file.read(position - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            position = start
    return 0
