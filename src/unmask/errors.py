"""The exceptions a user can meet. Each message says what, where, why and how to go on.

`assert` is for our own mistakes; these are for other people's. The command line prints the
message alone and exits with status 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class UnmaskError(Exception):
    """Anything wrong with what the user gave us."""


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
