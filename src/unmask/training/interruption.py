"""SIGTERM and Ctrl-C ask a run to stop at the end of its step; a second Ctrl-C kills it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def listening_for_stop() -> Iterator[Callable[[], bool]]:
    """The signals no longer kill; the function given says whether one has come."""
    told = False

    def remember(signum: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True
        if signum == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = {s: signal.signal(s, remember) for s in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not in the main thread, where signals cannot be caught
        yield lambda: False
        return
    try:
        yield lambda: told
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
