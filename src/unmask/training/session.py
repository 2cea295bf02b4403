"""One sitting of a training run: the parts that the loop puts together, and what they share.

Every process of a run makes the whole batch and takes its own rows of it; the gradients are
averaged. The main process alone validates, reports and writes.
"""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.draws import seed_dropout, stream_seed
from unmask.errors import ConfigError, MissingExtraError
from unmask.shapes import PAD, TokenIds
from unmask.training import ahead, ema, optimizers
from unmask.training.clock import Clock
from unmask.training.config import TrainerConfig
from unmask.training.metrics import MetricsFile
from unmask.training.objective import Corruption, Losses, losses
from unmask.training.optimizers import OptimizerConfig
from unmask.training.report import Observer, Report, validation_row
from unmask.training.run_folder import open_run_folder
from unmask.training.state import TrainingState, diverged
from unmask.training.task import Task
from unmask.training.transfer import sent
from unmask.training.validation import Validation, validate
from unmask.training.windowed import WindowedCorruption

_DROPOUT = 2  # the purpose of a stream; those before it are the task's


class Session:
    """From where `state` stands to the end of this process. Making one writes nothing.

    Raises:
        ConfigError: the processes cannot share a batch evenly.
        MissingExtraError: accelerate is not installed.
    """

    def __init__(
        self,
        state: TrainingState,
        task: Task,
        run_folder: Path,
        *,
        optimizer: OptimizerConfig,
        trainer: TrainerConfig,
    ) -> None:
        self.state, self.trainer, self.optimizer = state, trainer, optimizer
        self.task, self.run_folder = task, run_folder
        self.metrics = MetricsFile(run_folder / "metrics.jsonl")
        self.validation: Validation | None = None
        self._parts: tuple[str, ...] = ()
        self._accelerator = _accelerator()
        self._own_rows(trainer.batch_size)
        state.to(self._accelerator.device)
        if trainer.compile:
            state.model.compile()
        self.model = self._accelerator.prepare_model(state.model)
        self.clock = Clock(state.progress)
        self._batches = ahead.batches(
            task,
            trainer.seed,
            trainer.batch_size,
            steps=range(state.progress.step, trainer.most_steps),
            num_workers=trainer.workers,
        )

    @property
    def precision(self) -> torch.dtype:
        """What matrix products are computed in."""
        return torch.bfloat16 if self.trainer.precision == "bf16" else torch.float32

    @property
    def share_of_time(self) -> float:
        """Of the time that the run has, over all its sessions."""
        return self.state.progress.seconds / (60 * self.trainer.minutes)

    @property
    def is_over(self) -> bool:
        """Whether the run is: its steps are made, or its time is over if it goes by the clock."""
        if self.trainer.is_timed:
            return self.share_of_time >= 1
        return self.state.progress.step >= self.trainer.num_steps

    def is_due(self, every: int) -> bool:
        """Whether something done every so many steps, and after the last, is to be done now."""
        return self.state.progress.step % every == 0 or self.is_over

    @contextmanager
    def at_work(self, notes: Mapping[str, str]) -> Iterator[None]:
        """Have the run folder, made ready, without the metrics of steps about to be run again."""
        if not self._accelerator.is_main_process:
            yield
            return
        with open_run_folder(self.run_folder, notes):
            self.metrics.cut_after(self.state.progress.step)
            yield

    def take_step(self) -> None:
        """One step of the optimisers on one batch, and of the average after them."""
        step = self.state.progress.step
        if self.trainer.is_timed:
            share = self.optimizer.lr_share_by_time(step, self.share_of_time)
        else:
            share = self.optimizer.lr_share(step, self.trainer.num_steps)
        optimizers.set_lr_share(self.state.optimizers, share)
        token_ids, corruption = next(self._batches)
        loss = self._losses(step, token_ids, corruption)
        self._accelerator.backward(loss.total(self.trainer))
        norm = self._accelerator.clip_grad_norm_(self.model.parameters(), self.optimizer.grad_clip)
        for part in self.state.optimizers:
            part.step()
            part.zero_grad()
        ema.update(self.state.averaged, self.state.model, self.trainer.ema_decay)
        num_tokens = int((token_ids != PAD).sum())
        self.state.progress = self.clock.after_step(step + 1, num_tokens)
        means = [part.mean() for part in loss.parts.values()]
        self.state.unreported.append(torch.stack([*means, norm]).detach())
        self._parts = tuple(loss.parts)
        if norm.device.type == "cpu":  # a GPU would wait; there it is asked before it is told
            self.check_has_not_diverged()

    def check_has_not_diverged(self) -> None:
        """Raise `DivergedError` if a step since the last report has no finite loss or gradient."""
        if not self.state.unreported:
            return
        is_finite = torch.stack(self.state.unreported).isfinite().all(dim=1).tolist()
        if not all(is_finite):
            num_since = len(is_finite) - is_finite.index(False)
            raise diverged(self.state.progress.step - num_since + 1, self.run_folder)

    def _losses(
        self, step: int, token_ids: TokenIds, corruption: Corruption | WindowedCorruption
    ) -> Losses:
        """Of this process's rows of the batch."""
        device = self._accelerator.device
        # Each process drops its own: the same pattern in all would correlate their rows.
        process = self._accelerator.process_index
        seed_dropout(stream_seed(self.trainer.seed, step, _DROPOUT, process))
        self.model.train()
        is_lower = self.precision != torch.float32
        with torch.autocast(device.type, self.precision, enabled=is_lower):
            rows = self._own_rows(len(token_ids))
            own = corruption.select(rows, device)
            return losses(self.model, sent(token_ids[rows], device), own)

    def _own_rows(self, batch_size: int) -> Int[Tensor, " N"]:
        processes = self._accelerator
        return own_rows(batch_size, processes.process_index, processes.num_processes)

    def validate(self) -> None:
        """Measure the averaged weights on the validation sequences."""
        if self._accelerator.is_main_process:
            self.validation = validate(
                self.state.averaged.module.eval(),
                *self.task.validation(self.trainer.num_valid),
                batch_size=self.trainer.batch_size,
                autocast=self.precision,
            )
            self.metrics.append(**validation_row(self.state.progress.step, self.validation))
        self.wait_for_everyone()

    def report(self, observe: Observer) -> None:
        """Write and tell the means over the steps since the last report."""
        self.check_has_not_diverged()
        means = torch.stack(self._shared_measurements()).mean(0).tolist()
        self.state.unreported.clear()
        if self._accelerator.is_main_process:
            report = Report(
                progress=self.state.progress,
                num_steps=self.trainer.num_steps,
                bits={n: mean / math.log(2) for n, mean in zip(self._parts, means, strict=False)},
                grad_norm=means[-1],
                tokens_per_second=self.clock.tokens_per_second(),
                validation=self.validation,
            )
            self.metrics.append(**report.row())
            observe(report)

    def _shared_measurements(self) -> list[Tensor]:
        """The means over the processes, step by step, of what has not been reported."""
        if not self.state.unreported:
            return []
        return list(self._accelerator.reduce(torch.stack(self.state.unreported), "mean"))

    def agree_to_stop(self, was_told_to_stop: bool) -> bool:
        """Whether any process was told to stop or has used up its time."""
        # Of a run by the clock `is_over` knows.
        is_late = self.clock.session_minutes() >= self.trainer.minutes
        is_over = is_late and not self.trainer.is_timed
        wants_to_stop = was_told_to_stop or is_over
        if self._accelerator.num_processes == 1:
            return wants_to_stop
        mine = torch.tensor([int(wants_to_stop)], device=self._accelerator.device)
        return bool(self._accelerator.reduce(mine, "sum").item())

    def save(self) -> None:
        """Write a checkpoint, and its model to the run folder."""
        self.check_has_not_diverged()
        self.state.unreported = self._shared_measurements()
        if self._accelerator.is_main_process:
            self.state.save(self.run_folder, self.task)
            averaged = self.state.averaged.module.state_dict()
            self.task.write(self.run_folder, self.state.model.config, averaged)

    def wait_for_everyone(self) -> None:
        """Let no process run ahead of the main one."""
        self._accelerator.wait_for_everyone()


def is_main_process() -> bool:
    """Whether this process speaks and writes for its run; launchers number them in RANK."""
    return os.environ.get("RANK", "0") == "0"


def own_rows(batch_size: int, process: int, num_processes: int) -> Int[Tensor, " N"]:
    """Which sequences of a batch are one process's share."""
    if batch_size % num_processes:
        raise ConfigError(
            f"TrainerConfig.batch_size is {batch_size}, which {num_processes} processes cannot "
            "share evenly. Choose a multiple."
        )
    return torch.arange(batch_size).chunk(num_processes)[process]


def _accelerator() -> Any:
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise MissingExtraError(
            "training needs accelerate, which is not installed. Run `pip install 'unmask[train]'`."
        ) from error
    # Unless told so, accelerate takes the processes of a machine without a GPU for unrelated ones.
    # Precision is ours to set: it would keep its first choice for the life of the process.
    return Accelerator(cpu=not torch.accelerator.is_available(), mixed_precision="no")
