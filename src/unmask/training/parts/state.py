"""A training run of a small part of a model on disk: training.safetensors, beside the part.

The file holds everything that the next step depends on: the weights, what the optimisers
remember, and progress. It is written whole or not at all.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from unmask.errors import CheckpointError
from unmask.files.tensors import load_weights, read_tensors, write_tensors
from unmask.training import optimizers
from unmask.training.optimizers import OptimizerConfig
from unmask.training.run_folder import RunRecord, check_is_free
from unmask.training.state import Progress

Resume = Literal["never", "auto"]
_FILE = "training.safetensors"


@dataclass
class PartState:
    """What changes with each step."""

    part: nn.Module
    optimizers: list[torch.optim.Optimizer]
    progress: Progress = field(default_factory=Progress)

    def to(self, device: torch.device) -> None:
        """Move everything to the device that is to train."""
        self.part.to(device)
        optimizers.move_state(self.optimizers, device)

    def descend(self, grad_clip: float) -> float:
        """A step of the optimisers along the gradient, clipped; its norm before that."""
        norm = nn.utils.clip_grad_norm_(self.part.parameters(), grad_clip).item()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return norm

    def save(self, folder: Path) -> None:
        """Write what the next step depends on. Raises `OutputError`; the old file is intact."""
        tensors = {f"part/{name}": value for name, value in self.part.state_dict().items()}
        remembered = optimizers.state_tensors(self.part, self.optimizers)
        tensors |= {f"optimizer/{name}": value for name, value in remembered.items()}
        for name, value in asdict(self.progress).items():
            tensors[f"progress/{name}"] = torch.tensor(value, dtype=torch.float64)
        write_tensors(folder / _FILE, tensors)

    def load(self, folder: Path) -> None:
        """Take up a run. Raises `CheckpointError` if its file is damaged or of another part."""
        file = folder / _FILE
        groups: dict[str, dict[str, Tensor]] = {"part": {}, "optimizer": {}, "progress": {}}
        for key, tensor in read_tensors(file).items():
            group, _, name = key.partition("/")
            groups.setdefault(group, {})[name] = tensor
        load_weights(self.part, groups["part"], file)
        try:
            if groups["optimizer"]:  # before the first step there is nothing to remember
                optimizers.load_state_tensors(self.part, self.optimizers, groups["optimizer"])
            values = {name: value.item() for name, value in groups["progress"].items()}
            self.progress = Progress(
                step=int(values["step"]),
                num_tokens=int(values["num_tokens"]),
                seconds=values["seconds"],
                cpu_seconds=values["cpu_seconds"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{file} does not fit this run: {error}. Start afresh in another folder."
            ) from error


def open_part_run(
    part: nn.Module,
    optimizer: OptimizerConfig,
    folder: Path,
    resume: Resume,
    record: RunRecord | None = None,
) -> PartState:
    """A run before its first step, or with resume "auto" the one that is in `folder`.

    Writes nothing.

    Raises:
        OutputError: `folder` holds a run and `resume` is "never", or it holds something else.
        CheckpointError: the run in it is damaged, or of another part.
        ConfigError: it was begun with something else than the `record` says.
    """
    state = PartState(part, optimizers.build(part, optimizer))
    has_run = (folder / _FILE).exists()
    check_is_free(folder, has_checkpoint=has_run, resume=resume)
    if has_run:
        state.load(folder)
        if record is not None:
            record.check_goes_on(folder, step=state.progress.step)
    return state
