"""SIGTERM asks a run to stop at the end of its step; it does not kill."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def listening_for_sigterm() -> Iterator[Callable[[], bool]]:
    """SIGTERM no longer kills; the function given says whether it has come."""
    told = False

    def remember(signum: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True

    try:
        before = signal.signal(signal.SIGTERM, remember)
    except ValueError:  # not in the main thread, where signals cannot be caught
        yield lambda: False
        return
    try:
        yield lambda: told
    finally:
        signal.signal(signal.SIGTERM, before)
