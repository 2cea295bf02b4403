"""A training run on disk: everything that the next step depends on.

    checkpoints/step-00001000/
        config.json, model.safetensors   the averaged weights: a model folder like any other
        average.safetensors              the same by the names that they have in the network
        weights.safetensors              the weights themselves
        optimizer.safetensors            what the optimisers remember
        progress.json                    step, tokens, seconds, and measurements not yet
                                         reported; written last, so it means "whole"

Randomness needs no file: what step n draws is a function of the run's seed and n.
A checkpoint is written under another name and renamed when whole, so that a crash at any
moment leaves the one before it as the newest.
"""

import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from unmask.errors import CheckpointError, DivergedError, OutputError
from unmask.files.atomic import PARTIAL, sync_folder
from unmask.files.tensors import load_weights, read_json, read_tensors, write_json, write_tensors
from unmask.training import optimizers as optimizers_
from unmask.training.task import Task

_AVERAGE = "average.safetensors"
_WEIGHTS = "weights.safetensors"
_OPTIMIZER = "optimizer.safetensors"
_PROGRESS = "progress.json"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run has come, over all its sessions."""

    step: int = 0
    num_tokens: int = 0
    seconds: float = 0.0
    """Wall-clock time spent training."""
    cpu_seconds: float = 0.0
    """Processor time of the whole process, all threads."""


@dataclass
class TrainingState:
    """The parts of a run that change with each step."""

    model: Any
    """The network; it has a `config`."""
    averaged: AveragedModel
    optimizers: list[torch.optim.Optimizer]
    progress: Progress
    unreported: list[Float[Tensor, "3"]] = field(default_factory=list)
    """Nats of draft and target and the gradient's norm, of each step since the last report."""

    def to(self, device: torch.device) -> None:
        """Move everything to the device that is to train."""
        self.model.to(device)
        self.averaged.to(device)
        self.averaged.n_averaged = self.averaged.n_averaged.cpu()  # see `ema.update`
        optimizers_.move_state(self.optimizers, device)
        self.unreported = [measured.to(device) for measured in self.unreported]

    def begin_with(self, weights: dict[str, Tensor]) -> None:
        """Other weights than those that a new network has, before the first step."""
        for network in (self.model, self.averaged.module):
            network.load_state_dict(weights)

    def save(self, run_folder: Path, task: Task, *, keep: int = 2) -> Path:
        """Write a checkpoint and drop all but the newest `keep`.

        Raises:
            OutputError: it could not be written; earlier checkpoints are intact.
        """
        final = run_folder / "checkpoints" / f"step-{self.progress.step:08d}"
        if (final / _PROGRESS).exists():
            return final  # the same step of the same run: the same state
        draft = final.with_name(f".{final.name}{PARTIAL}")
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            self._write(draft, task)
            os.replace(draft, final)
            sync_folder(final.parent)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            newest = newest_checkpoint(run_folder)
            intact = f"{newest.name} is intact" if newest else "there is none before it"
            reason = error.__cause__ if isinstance(error, OutputError) else error
            raise OutputError(
                f"cannot write the checkpoint of step {self.progress.step} to {final.parent} "
                f"({reason}); {intact}. Make room, then go on with `--resume auto`."
            ) from error
        for old in whole_checkpoints(run_folder)[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
        return final

    def _write(self, folder: Path, task: Task) -> None:
        averaged = self.averaged.module.state_dict()
        task.write(folder, self.model.config, averaged)
        write_tensors(folder / _AVERAGE, averaged)
        write_tensors(folder / _WEIGHTS, self.model.state_dict())
        remembered = optimizers_.state_tensors(self.model, self.optimizers)
        write_tensors(folder / _OPTIMIZER, remembered)
        progress = asdict(self.progress) | {
            "num_averaged": int(self.averaged.n_averaged),
            "unreported": [measured.tolist() for measured in self.unreported],
        }
        write_json(folder / _PROGRESS, progress)

    def load(self, folder: Path) -> None:
        """Take up the run at a checkpoint.

        Raises:
            CheckpointError: a file is damaged, or belongs to another network or optimiser.
        """
        model, averaged = self.model, self.averaged.module
        for target, name in ((model, _WEIGHTS), (averaged, _AVERAGE)):
            load_weights(target, read_tensors(folder / name), folder / name)
        values = read_json(folder / _PROGRESS)
        remembered = read_tensors(folder / _OPTIMIZER)
        try:
            self.averaged.n_averaged.fill_(values.pop("num_averaged"))
            self.unreported = [torch.tensor(row) for row in values.pop("unreported", [])]
            self.progress = Progress(**values)
            optimizers_.load_state_tensors(model, self.optimizers, remembered)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{folder} does not fit this run: {error}. Resume with the recipe it was "
                "started with, or start afresh in another folder."
            ) from error


def diverged(step: int, run_folder: Path) -> DivergedError:
    """What is said of a run whose loss is no number at a step; its folder is as it was."""
    newest = newest_checkpoint(run_folder)
    kept = f"{newest.name} is intact" if newest else "nothing was written"
    return DivergedError(
        f"the loss or its gradient is no longer a number at step {step:,}; {kept}. Start another "
        "run with a lower learning rate (--optimizer.lr, --optimizer.matrix-lr), or with "
        f"--trainer.precision float32; --begin {run_folder} begins with the weights that are "
        "there."
    )


def whole_checkpoints(run_folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    return sorted(path.parent for path in run_folder.glob(f"checkpoints/step-*/{_PROGRESS}"))


def step_of(checkpoint: Path) -> int:
    """The step of a checkpoint, as its name has it."""
    return int(checkpoint.name.removeprefix("step-"))


def newest_checkpoint(run_folder: Path) -> Path | None:
    """The last complete checkpoint of a run, if there is one."""
    found = whole_checkpoints(run_folder)
    return found[-1] if found else None
