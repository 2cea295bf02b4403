"""The folder of a training run: what it was begun with, and whether it can be gone on with.

recipe.yaml and the like        what it was started with, to read
run.json                        the same and what else decides it (`RunRecord`), to compare
metrics.jsonl                   one line per report
checkpoints/step-00001000/      see unmask.training.state
config.json, model.safetensors  the newest averaged weights, as a model folder
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unmask.errors import ConfigError, OutputError
from unmask.files.atomic import PARTIAL, replacing
from unmask.files.lock import LOCK_FILE, locked
from unmask.files.tensors import read_json

RUN_FILE = "run.json"
_FORMAT = "unmask-run-1"
_BEFORE_THE_FIRST_STEP = {RUN_FILE, LOCK_FILE, "recipe.yaml", "trainer.yaml", "metrics.jsonl"}
_MAY_CHANGE = {
    f"trainer.{name}"
    for name in (
        "num_steps", "minutes", "log_every", "validate_every", "checkpoint_every", "workers",
        "compile",
    )
}  # fmt: skip
"""Settings that decide when a run ends, how fast it is and what it tells; not what it learns."""


@dataclass(frozen=True)
class RunRecord:
    """What decides what a run learns: two sessions of one run have the same."""

    settings: Mapping[str, Any]
    """By dotted name."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of what it learns from."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What it was given by name: its recipe, its data; for a session that names none of them."""

    def to_json(self) -> str:
        """The text of run.json."""
        values = {"format": _FORMAT, **vars(self), "settings": _plain(self.settings)}
        return json.dumps(values, indent=2) + "\n"

    def check_goes_on(self, folder: Path, *, step: int) -> None:
        """Raise `ConfigError` unless this session is one of the run in `folder`, at `step`."""
        begun = read_record(folder)
        if begun is None:  # of a version that kept none
            return
        for name, value in self.fingerprints.items():
            if begun.fingerprints.get(name, value) != value:
                raise ConfigError(
                    f"the run in {folder} was begun with other {name} than what is named now. Go "
                    "on with what it was begun with, or start another run in another --out."
                )
        for name, value in _plain(self.settings).items():
            was = begun.settings.get(name, value)
            if was != value and name not in _MAY_CHANGE:
                raise ConfigError(
                    f"the run in {folder} was begun with {name} {was!r:.60}, and {value!r:.60} is "
                    "asked for. Leave it out to go on as before, or start another run in another "
                    "--out (with --begin it can begin with these weights)."
                )
        if self.settings.get("trainer.num_steps", step) < step:
            raise ConfigError(
                f"the run in {folder} is at step {step:,}, and trainer.num_steps "
                f"{self.settings['trainer.num_steps']:,} is before that. Ask for more."
            )


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has them, which has no infinity."""
    as_text = {n: "inf" if v == math.inf else v for n, v in settings.items()}
    plain: dict[str, Any] = json.loads(json.dumps(as_text))
    return plain


def flat(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Settings by dotted name."""
    return {
        f"{section}.{name}": value
        for section, fields in sections.items()
        for name, value in fields.items()
    }


def read_record(folder: Path) -> RunRecord | None:
    """What the run in a folder was begun with; None if there is none, or it says nothing.

    Raises `CheckpointError` if it cannot be read.
    """
    if not (folder / RUN_FILE).exists():
        return None
    values = read_json(folder / RUN_FILE)
    parts = (values.get(name, {}) for name in ("settings", "fingerprints", "names"))
    return RunRecord(*(part if isinstance(part, dict) else {} for part in parts))


def check_is_free(folder: Path, *, has_checkpoint: bool, resume: str) -> None:
    """Raise `OutputError` unless a run may begin in the folder, or go on there."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file. Name a folder with --out.")
    if has_checkpoint:
        if resume == "auto":
            return
        raise OutputError(
            f"{folder} already holds a run. Go on with it by --resume auto, or choose another "
            "--out."
        )
    present = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if foreign := sorted(name for name in present if not _is_beginning(folder, name, present)):
        raise OutputError(
            f"{folder} holds no run, and is not empty: there is {foreign[0]!r:.60}. Choose "
            "another --out."
        )


def _is_beginning(folder: Path, name: str, present: set[str]) -> bool:
    """Whether a file is what a run leaves that ended before its first checkpoint."""
    if name.endswith(PARTIAL) or name == LOCK_FILE:
        return True
    if name == "checkpoints":
        return all(path.name.endswith(PARTIAL) for path in (folder / name).iterdir())
    return name in _BEFORE_THE_FIRST_STEP and RUN_FILE in present


@contextmanager
def open_run_folder(folder: Path, notes: Mapping[str, str]) -> Iterator[None]:
    """Have the folder to oneself, clear away unfinished writes, put `notes` there by name.

    Raises:
        OutputError: another process is at work in it, or it cannot be made or written to.
    """
    with locked(folder):
        _sweep(folder)
        for name, text in sorted(notes.items(), key=lambda note: note[0] != RUN_FILE):
            with replacing(folder / name) as draft:
                draft.write_text(text, encoding="utf-8")
        yield


def _sweep(folder: Path) -> None:
    """Drop what a killed session was in the middle of writing; nobody would ever read it."""
    for partial in [*folder.glob(f".*{PARTIAL}"), *folder.glob(f"checkpoints/.*{PARTIAL}")]:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
