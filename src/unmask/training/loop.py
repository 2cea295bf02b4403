"""The training loop: step, validate, report, save, until the end or until told to stop.

Runs alone, or in several processes under `accelerate launch` or `torchrun`; the batch of a step
is the same however many processes share it. A step depends on the checkpoint before it and on
(seed, step), on nothing else: an interrupted run, resumed, ends in the same weights.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unmask.dllm.adapted import adapted_kind
from unmask.dllm.config import DllmConfig
from unmask.dllm.network import new_network
from unmask.network.new_hybrid import new_hybrid
from unmask.training import ema, optimizers
from unmask.training.config import TrainerConfig
from unmask.training.interruption import listening_for_stop
from unmask.training.optimizers import OptimizerConfig
from unmask.training.report import Observer
from unmask.training.session import Session
from unmask.training.state import Progress, TrainingState, newest_checkpoint
from unmask.training.task import Task
from unmask.training.validation import Validation


def new_state(
    model_config: Any,
    optimizer_config: OptimizerConfig,
    trainer: TrainerConfig,
    trunk: Any = None,
) -> TrainingState:
    """A run before its first step: of a `HybridConfig`, a `DllmConfig`, or the tail of a trunk."""
    if trunk is not None:
        model: Any = adapted_kind(trunk)(trunk, model_config, seed=trainer.seed)
    elif isinstance(model_config, DllmConfig):
        model = new_network(model_config, seed=trainer.seed)
    else:
        model = new_hybrid(model_config, seed=trainer.seed)
    return TrainingState(
        model,
        ema.averaged(model),
        optimizers.build(model, optimizer_config),
        Progress(),
    )


def resume(state: TrainingState, run_folder: Path) -> bool:
    """Bring `state` to the newest checkpoint of a run; False if there is none."""
    newest = newest_checkpoint(run_folder)
    if newest is not None:
        state.load(newest)
    return newest is not None


def train(
    state: TrainingState,
    task: Task,
    run_folder: Path,
    *,
    optimizer: OptimizerConfig,
    trainer: TrainerConfig,
    notes: Mapping[str, str] | None = None,
    observe: Observer = lambda report: None,
) -> Validation | None:
    """Go on from `state` to the last step, the time limit or SIGTERM; the last validation.

    The run folder is itself a model folder, renewed with each checkpoint. `notes` are text
    files to put there, by name. Nothing is written before everything has been checked.

    Raises:
        OutputError: a file could not be written, and the checkpoint before it is intact; or
            another process is at work in the folder.
        DivergedError: the loss is no number; the checkpoint before is intact.
    """
    session = Session(state, task, run_folder, optimizer=optimizer, trainer=trainer)
    with session.at_work(notes or {}), listening_for_stop() as was_told_to_stop:
        while not session.is_over:
            session.take_step()
            if session.is_due(trainer.validate_every):
                session.validate()
            if session.is_due(trainer.log_every):
                session.report(observe)
            if session.agree_to_stop(was_told_to_stop()):
                break
            if state.progress.step % trainer.checkpoint_every == 0:
                session.save()
        session.save()
    session.wait_for_everyone()
    return session.validation
