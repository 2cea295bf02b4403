"""The folder of a training run, before its first step and after a crash.

recipe.yaml and the like        what it was started with
metrics.jsonl                   one line per report
checkpoints/step-00001000/      see unmask.training.state
config.json, model.safetensors  the newest averaged weights, as a model folder
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from unmask.files.atomic import make_folder, replacing


def open_run_folder(folder: Path, notes: Mapping[str, str]) -> None:
    """Make the folder if need be, clear away unfinished writes, put `notes` there by name.

    Raises:
        OutputError: it cannot be made or written to.
    """
    make_folder(folder)
    _sweep(folder)
    for name, text in notes.items():
        with replacing(folder / name) as draft:
            draft.write_text(text, encoding="utf-8")


def _sweep(folder: Path) -> None:
    """Drop what a killed session was in the middle of writing; nobody would ever read it."""
    for partial in [*folder.glob(".*.partial"), *folder.glob("checkpoints/.*.partial")]:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
