"""The exceptions a user can meet. Each message says what, where, why and how to go on.

`assert` is for our own mistakes; these are for other people's. The command line prints the
message alone and exits with status 2.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches


class UnmaskError(Exception):
    """Anything wrong with what the user gave us."""

    def __init__(self, message: str = "") -> None:
        super().__init__(shown(message))


_LONGEST_WORD, _LONGEST_MESSAGE = 160, 2000
_CONTROL = {n: f"\\x{n:02x}" for n in (*range(9), *range(11, 32), *range(127, 160))}


def shown(message: str) -> str:
    """A message as it can be shown, whatever it echoes: bounded, and without control characters.

    Of a word that is too long the ends are left, of a message its beginning and its end.
    """
    message = message.translate(_CONTROL).encode("utf-8", "backslashreplace").decode()
    message = re.sub(
        rf"\S{{{_LONGEST_WORD},}}", lambda word: f"{word[0][:100]}...{word[0][-40:]}", message
    )
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:1500]} ... {message[-400:]}"
    return message


class ConfigError(UnmaskError, ValueError):
    """A choice that cannot work: a field out of its range, or two that contradict."""


class OrderError(UnmaskError, ValueError):
    """An order that does not visit every position once."""


class DataError(UnmaskError, ValueError):
    """A data file that cannot be read, is empty, or holds what it must not."""


class PromptError(UnmaskError, ValueError):
    """A prompt or template that the model cannot take."""


class DivergedError(UnmaskError, ArithmeticError):
    """A training whose loss or weights are no longer numbers."""


class CheckpointError(UnmaskError):
    """A checkpoint that is missing, damaged, or does not fit its own config."""


class OutputError(UnmaskError, OSError):
    """A place we cannot or must not write to."""


class MissingExtraError(UnmaskError, ImportError):
    """An optional dependency that this command needs is not installed."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A sentence with the nearest of the choices, behind a space; empty if none is near."""
    close = get_close_matches(word[:100], list(choices), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
