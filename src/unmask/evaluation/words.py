"""The words of a training text as a small file, to ship with the model that was trained on it.

Words are sorted, and each is written as how much it shares with the one above it and what it
does not, one a line; the whole is compressed (xz):

    able        0able
    about       2out
    abouts      5s

The number is one digit, 0-9 and then a-z for 10 to 35. The 206,616 words that text8s was trained
on take 390 kB; each written out in full, they would take 495 kB.

Source of the coding (front coding): Witten, Moffat and Bell (1999), "Managing gigabytes",
section 4.1.
"""

import lzma
import os
import string
from collections.abc import Iterator, Set
from pathlib import Path

from unmask.data.files import read_bytes
from unmask.errors import ConfigError, DataError
from unmask.files.atomic import replacing
from unmask.files.model_folder import WORDS_FILE, find_folder

_FORMAT = "unmask-words-1"
_DIGITS = string.digits + string.ascii_lowercase


def write_words(path: Path | str, words: Set[str]) -> None:
    """Write a list of words, whole or not at all; the same words give the same file.

    Raises:
        ConfigError: the name of the file does not end in .xz.
        DataError: a word is empty or has white space in it.
        OutputError: the place cannot be written; what was there before is as it was.
    """
    path = Path(path)
    if path.suffix.lower() != ".xz":
        raise ConfigError(
            f"a list of words is compressed with xz, so its name must end in .xz, got {path}. "
            f"Call it {path.name}.xz."
        )
    data = lzma.compress("\n".join([_FORMAT, *_coded(words), ""]).encode())
    with replacing(path) as draft:
        draft.write_bytes(data)


def read_words(path: Path | str) -> frozenset[str]:
    """The words that `write_words` wrote.

    Raises:
        DataError: the file is missing, damaged, or no list of words.
    """
    data = read_bytes(path)
    try:
        name, *lines = data.decode().split("\n")
        if name != _FORMAT or not lines or lines.pop():
            raise ValueError(f"its first line is not {_FORMAT}, or its last is cut off")
        return frozenset(_decoded(lines))
    except ValueError as error:
        raise DataError(
            f"{path} is not a list of words written by unmask ({error}). "
            "Copy it again, or make it anew with `write_words`."
        ) from error


def _coded(words: Set[str]) -> Iterator[str]:
    above = ""
    for word in sorted(words):
        if word.split() != [word]:
            raise DataError(
                f"{word!r} is not one word: it is empty or has white space in it. "
                "Take the words of a text with `word_set`."
            )
        num_shared = min(len(os.path.commonprefix([above, word])), len(_DIGITS) - 1)
        yield _DIGITS[num_shared] + word[num_shared:]
        above = word


def _decoded(lines: list[str]) -> Iterator[str]:
    above = ""
    for number, line in enumerate(lines, start=2):
        num_shared = _DIGITS.find(line[:1]) if line else -1
        word = above[:num_shared] + line[1:]
        if num_shared < 0 or num_shared > len(above) or word <= above:
            raise ValueError(f"line {number}, {line!r}, does not follow from the one above it")
        yield word
        above = word


def words_of(model_name: str, words: Path | str = "") -> frozenset[str]:
    """The words of a list, or those that lie with the model.

    Raises `DataError` if there are none.
    """
    file = Path(words) if words else find_folder(model_name) / WORDS_FILE
    if not file.exists():
        raise DataError(
            f"{file} does not exist: spelling is judged by the words of the training text. Make "
            "the list with `unmask words TEXT --out words.xz` and name it with --words."
        )
    return read_words(file)
