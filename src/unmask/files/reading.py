"""What is read from outside, within bounds: regular files of a size that can be, strict JSON.

A pipe would be waited for, /dev/zero never ends, and JSON of a hundred thousand brackets ends the
interpreter's patience: each is an `OSError` or a `ValueError` here, which who reads says more of.
"""

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

MOST_BYTES = 2**28
"""Of a file of settings, a tokenizer, a report: 256 MiB."""


def check_is_regular(path: Path, *, most: int = MOST_BYTES) -> int:
    """The size of a file. Raises `OSError` unless it is one, of at most so many bytes."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    if status.st_size > most:
        said = f"it has {status.st_size:,} bytes, and {most:,} at most are read"
        raise OSError(errno.EFBIG, said, str(path))
    return status.st_size


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """A file in UTF-8. Raises `OSError`, or `ValueError` if it is in something else."""
    check_is_regular(path, most=most)
    return path.read_text(encoding="utf-8")


def loads(text: str) -> Any:
    """JSON as its standard has it, which knows no NaN: null stands where one was written.

    Raises `ValueError` for anything else, and for what is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def dumps(value: Any, *, indent: int | None = None) -> str:
    """The same the other way: what is infinite or no number is written as null."""
    return json.dumps(strict(value), indent=indent, allow_nan=False)


def strict(value: Any) -> Any:
    """JSON has no infinity and no NaN: null stands for both."""
    if isinstance(value, dict):
        return {name: strict(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [strict(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
