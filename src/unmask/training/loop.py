"""The training loop: crops, masks, both cross-entropies, one optimiser step, the average.

Runs alone, or in several processes under `accelerate launch` or `torchrun`; the batch of a step
is the same however many processes share it. A step depends on the checkpoint before it and on
(seed, step), on nothing else: an interrupted run, resumed, ends in the same weights.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor

from unmask.data.text import Corpus, consecutive_crops, random_crops
from unmask.draws import SeededDraws, seed_dropout, stream_seed
from unmask.errors import ConfigError, MissingExtraError
from unmask.network import checkpoint
from unmask.network.config import HybridConfig
from unmask.network.hybrid import HybridTransformer
from unmask.training import ema, optimizers
from unmask.training.config import TrainerConfig
from unmask.training.metrics import MetricsFile
from unmask.training.objective import corrupt, losses
from unmask.training.optimizers import OptimizerConfig
from unmask.training.state import Progress, TrainingState, newest_checkpoint
from unmask.training.validation import Validation, validate

_CROPS, _MASKS, _DROPOUT = range(3)  # purposes of a step's random streams


@dataclass(frozen=True)
class Report:
    """What observers (progress bars, logs) are told after a step."""

    progress: Progress
    num_steps: int
    draft_bits: float
    target_bits: float
    tokens_per_second: float
    validation: Validation | None = None


Observer = Callable[[Report], None]


def new_state(
    model_config: HybridConfig, optimizer_config: OptimizerConfig, trainer: TrainerConfig
) -> TrainingState:
    """A run before its first step."""
    model = HybridTransformer(model_config, seed=trainer.seed)
    return TrainingState(
        model,
        ema.averaged(model, trainer.ema_decay),
        optimizers.build(model, optimizer_config),
        Progress(),
    )


def train(
    state: TrainingState,
    corpus: Corpus,
    run_folder: Path,
    *,
    optimizer: OptimizerConfig,
    trainer: TrainerConfig,
    codec: dict[str, Any],
    observe: Observer = lambda report: None,
) -> Validation | None:
    """Go on from `state` to the last step, the time limit or SIGTERM; the last validation.

    The run folder is itself a model folder, renewed with each checkpoint.

    Raises:
        OutputError: a checkpoint could not be written; the one before it is intact.
    """
    accelerator = _accelerator(trainer)
    config, length = state.model.config, state.model.config.length
    if trainer.batch_size % accelerator.num_processes:
        raise ConfigError(
            f"TrainerConfig.batch_size is {trainer.batch_size}, which {accelerator.num_processes}"
            " processes cannot share evenly. Choose a multiple."
        )
    valid_crops = consecutive_crops(corpus.valid, length, trainer.num_valid)
    state.model.to(accelerator.device)
    state.averaged.to(accelerator.device)
    if trainer.compile:
        state.model.compile()
    model = accelerator.prepare_model(state.model)
    metrics = MetricsFile(run_folder / "metrics.jsonl")
    is_main = accelerator.is_main_process
    if is_main:
        run_folder.mkdir(parents=True, exist_ok=True)
        metrics.cut_after(state.progress.step)

    def save() -> None:
        if is_main:
            newest = state.save(run_folder, codec)
            weights = checkpoint.read_tensors(newest / checkpoint.WEIGHTS_FILE)
            checkpoint.write_model(run_folder, config, weights, codec)

    precision = torch.bfloat16 if trainer.precision == "bf16" else torch.float32
    clock = _Clock(state.progress)
    validation, pending = None, []
    with _listening_for_sigterm() as was_told_to_stop:
        while state.progress.step < trainer.num_steps:
            step = state.progress.step
            optimizers.set_lr_share(
                state.optimizers, optimizer.lr_share(step, trainer.num_steps)
            )
            token_ids, corruption = _batch(corpus.train, trainer, step, length)
            rows = torch.arange(trainer.batch_size).chunk(accelerator.num_processes)[
                accelerator.process_index
            ]
            seed_dropout(stream_seed(trainer.seed, step, _DROPOUT))
            model.train()
            with accelerator.autocast():
                loss = losses(
                    model,
                    token_ids[rows].to(accelerator.device),
                    corruption.select(rows, accelerator.device),
                )
            accelerator.backward(loss.total)
            norm = accelerator.clip_grad_norm_(model.parameters(), optimizer.grad_clip)
            for part in state.optimizers:
                part.step()
                part.zero_grad()
            state.averaged.update_parameters(state.model)
            state.progress = clock.after_step(step + 1, trainer.batch_size * length)
            pending.append(torch.stack([loss.draft.mean(), loss.target.mean(), norm]).detach())

            step += 1
            is_last = step == trainer.num_steps
            if step % trainer.validate_every == 0 or is_last:
                if is_main:
                    validation = validate(
                        state.averaged.module.eval(), valid_crops,
                        batch_size=trainer.batch_size, autocast=precision,
                    )  # fmt: skip
                    metrics.append(step=step, **_validation_row(validation))
                accelerator.wait_for_everyone()
            if step % trainer.log_every == 0 or is_last:
                means = accelerator.reduce(torch.stack(pending).mean(0), "mean").tolist()
                pending.clear()
                report = Report(
                    state.progress, trainer.num_steps, means[0] / math.log(2),
                    means[1] / math.log(2), clock.tokens_per_second(), validation,
                )  # fmt: skip
                if is_main:
                    metrics.append(**_row(report, grad_norm=means[2]))
                    observe(report)
            wants_to_stop = was_told_to_stop() or clock.session_minutes() >= trainer.minutes
            if _any(accelerator, wants_to_stop):
                break
            if step % trainer.checkpoint_every == 0:
                save()
    save()
    accelerator.wait_for_everyone()
    return validation


def resume(state: TrainingState, run_folder: Path) -> bool:
    """Bring `state` to the newest checkpoint of a run; False if there is none."""
    newest = newest_checkpoint(run_folder)
    if newest is not None:
        state.load(newest)
    return newest is not None


def _batch(train_ids: UInt8[Tensor, " n"], trainer: TrainerConfig, step: int, length: int) -> Any:
    crops = SeededDraws([stream_seed(trainer.seed, step, _CROPS)])
    token_ids = random_crops(train_ids, length, trainer.batch_size, crops)
    masks_seed = stream_seed(trainer.seed, step, _MASKS)
    return token_ids, corrupt(masks_seed, trainer.batch_size, length)


def _accelerator(trainer: TrainerConfig) -> Any:
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise MissingExtraError(
            "training needs accelerate, which is not installed. "
            "Run `pip install 'unmask[train]'`."
        ) from error
    return Accelerator(mixed_precision="bf16" if trainer.precision == "bf16" else "no")


def _any(accelerator: Any, flag: bool) -> bool:
    if accelerator.num_processes == 1:
        return flag
    mine = torch.tensor([int(flag)], device=accelerator.device)
    return bool(accelerator.reduce(mine, "sum").item())


def _row(report: Report, *, grad_norm: float) -> dict[str, float | int]:
    progress = report.progress
    return {
        "step": progress.step,
        "tokens": progress.num_tokens,
        "seconds": round(progress.seconds, 3),
        "cpu_seconds": round(progress.cpu_seconds, 3),
        "draft_bits": report.draft_bits,
        "target_bits": report.target_bits,
        "grad_norm": grad_norm,
        "tokens_per_second": report.tokens_per_second,
    }


def _validation_row(validation: Validation) -> dict[str, float]:
    return {
        "valid_draft_bits": validation.draft_bits,
        "valid_target_bits": validation.target_bits,
        "valid_draft_standard_error": validation.draft_standard_error,
        "valid_target_standard_error": validation.target_standard_error,
    }


class _Clock:
    """Adds this session's time to what earlier sessions took."""

    def __init__(self, before: Progress) -> None:
        self._before = before
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._recent: list[tuple[float, int]] = [(self._wall, before.num_tokens)]

    def after_step(self, step: int, num_tokens: int) -> Progress:
        now = time.perf_counter()
        total = self._recent[-1][1] + num_tokens
        self._recent = [*self._recent[-50:], (now, total)]
        return replace(
            self._before,
            step=step,
            num_tokens=total,
            seconds=self._before.seconds + now - self._wall,
            cpu_seconds=self._before.cpu_seconds + time.process_time() - self._cpu,
        )

    def tokens_per_second(self) -> float:
        """Over the last 50 steps, validation and checkpoints included."""
        (start, first), (end, last) = self._recent[0], self._recent[-1]
        return (last - first) / max(end - start, 1e-9)

    def session_minutes(self) -> float:
        return (time.perf_counter() - self._wall) / 60


@contextmanager
def _listening_for_sigterm() -> Iterator[Callable[[], bool]]:
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
