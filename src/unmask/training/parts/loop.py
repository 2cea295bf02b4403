"""The loop of a part's training run: step, report, save, until the end or until told to stop."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from unmask.training.clock import Clock
from unmask.training.interruption import listening_for_stop
from unmask.training.metrics import MetricsFile
from unmask.training.parts.state import PartState
from unmask.training.run_folder import open_run_folder
from unmask.training.state import diverged


@runtime_checkable
class PartReport(Protocol):
    """What a step has to tell."""

    def rows(self) -> list[dict[str, float | int]]:
        """Lines of metrics.jsonl."""
        ...


@runtime_checkable
class PartSession(Protocol):
    """From where a state stands to the end of this process."""

    state: PartState
    clock: Clock

    def take_step(self) -> PartReport:
        """One step of the optimisers, counted in the state's progress."""
        ...

    def save(self, folder: Path) -> None:
        """Write the part, and what its run goes on from."""
        ...


def go_on(
    session: PartSession,
    trainer: Any,
    folder: Path,
    *,
    notes: Mapping[str, str],
    observe: Callable[[Any], None],
) -> None:
    """To the last step, the time limit or SIGTERM, as the config `trainer` says.

    `notes` are text files for the run folder; `observe` is told the report of each step.

    Raises:
        OutputError: a file could not be written, and the checkpoint before it is intact; or
            another process is at work in the folder.
        DivergedError: what a step reports is no number; the checkpoint before is intact.
    """
    metrics = MetricsFile(folder / "metrics.jsonl")
    with open_run_folder(folder, notes), listening_for_stop() as was_told_to_stop:
        metrics.cut_after(session.state.progress.step)
        session.save(folder)  # from here on the folder is a run, whatever happens
        while session.state.progress.step < trainer.num_steps:
            report = session.take_step()
            for row in report.rows():
                if not all(map(math.isfinite, row.values())):
                    raise diverged(session.state.progress.step, folder)
                metrics.append(**row)
            observe(report)
            if was_told_to_stop() or session.clock.session_minutes() >= trainer.minutes:
                break
            if session.state.progress.step % trainer.checkpoint_every == 0:
                session.save(folder)
        session.save(folder)
