"""Progress on standard error: a bar on a terminal, a line every half minute elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_SECONDS_BETWEEN_LINES = 30.0

Advance = Callable[[int, str], None]
"""Called with how much is done by now, and what to say beside it."""


@contextmanager
def progress(what: str, total: int | None, *, done: int = 0) -> Iterator[Advance]:
    """Show how far a task has come, with its rate and the time it still needs.

    `total` None: nobody knows how much there is.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what, total, done)
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"), TimeElapsedColumn(), TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task(what, total=total, completed=done, note="")
        yield lambda count, note: bar.update(task, completed=count, note=note)


def adding_up(advance: Advance, unit: str) -> Callable[[int], None]:
    """`advance` by how much was done since the last time."""
    done = 0

    def add(num_more: int) -> None:
        nonlocal done
        done += num_more
        advance(done, unit)

    return add


def _lines(what: str, total: int | None, done: int) -> Advance:
    start = last = time.monotonic()

    def advance(count: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _SECONDS_BETWEEN_LINES:
            return
        last = now
        rate = (count - done) / (now - start)
        left, of_all = "", ""
        if total is not None:
            seconds = (total - count) / rate if rate else float("inf")
            left, of_all = f"  {seconds / 60:.1f} min left", f"/{total:,}"
        print(f"{what} {count:,}{of_all}  {note}{left}", file=sys.stderr, flush=True)

    return advance
