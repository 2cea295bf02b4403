"""Carry out a recipe: read the data, make or resume the run, train.

`unmask.train(unmask.preset("text8-small"), data="text8.zip", out="runs/a")` does all of it.
"""

from pathlib import Path
from typing import Literal

from unmask.data.characters import text8
from unmask.data.normalise import Normalise
from unmask.data.text import load_corpus
from unmask.dllm.config import DllmConfig
from unmask.errors import ConfigError, OutputError
from unmask.recipes.arithmetic import arithmetic_task
from unmask.recipes.recipe import Recipe
from unmask.training import loop
from unmask.training.report import Observer
from unmask.training.session import is_main_process
from unmask.training.state import TrainingState, newest_checkpoint
from unmask.training.task import Task, TextTask
from unmask.training.validation import Validation

Resume = Literal["never", "auto"]
ARITHMETIC = "arithmetic"
"""The data that is made on the spot."""


def load_task(
    recipe: Recipe, data: Path | str, normalise: Literal["as_is", "text8"] = "as_is"
) -> Task:
    """What a recipe is to be trained on: a text, or "arithmetic" for a large model's recipe.

    Raises:
        ConfigError: the recipe's network does not fit this kind of data.
        DataError: the text cannot be read, has characters outside the alphabet, or is too short.
    """
    is_arithmetic = str(data) == ARITHMETIC
    if isinstance(recipe.model, DllmConfig):
        if not is_arithmetic:
            raise ConfigError(
                f"this recipe answers questions, and {data} is none of the kinds it can learn "
                f"from. Give --data {ARITHMETIC}, or choose a text8 recipe for a text."
            )
        return arithmetic_task(recipe.model)
    codec = text8()
    if is_arithmetic:
        raise ConfigError(
            f"this recipe is for text, and {ARITHMETIC} are questions with answers. Name a text, "
            f"such as text8.zip, or choose the recipe {ARITHMETIC}."
        )
    if recipe.model.vocab_size != codec.vocab_size:
        raise ConfigError(
            f"the recipe's model.vocab_size is {recipe.model.vocab_size}, but text in characters "
            f"has {codec.vocab_size} tokens. Choose a text8 recipe, or set --model.vocab_size."
        )
    corpus = load_corpus(data, codec, normalise=Normalise(normalise))
    return TextTask(corpus, recipe.model.length, recipe.trainer.orders, codec.to_json())


def open_run(recipe: Recipe, out: Path | str, resume: Resume = "never") -> TrainingState:
    """The state from which a run goes on: a new one, or that of its newest checkpoint.

    Raises:
        OutputError: `out` holds something already, and `resume` is "never".
        CheckpointError: the newest checkpoint is damaged or of another recipe.
    """
    folder = Path(out)
    if is_main_process():
        _check_folder(folder, resume)
    state = loop.new_state(recipe.model, recipe.optimizer, recipe.trainer)
    if resume == "auto":
        loop.resume(state, folder)
    return state


def train(
    recipe: Recipe,
    *,
    data: Path | str,
    out: Path | str,
    resume: Resume = "never",
    normalise: Literal["as_is", "text8"] = "as_is",
    observe: Observer = lambda report: None,
) -> Validation | None:
    """Train to the end of the recipe, its time limit or SIGTERM; the last validation.

    `out` becomes a run folder, and with each checkpoint a model folder that `load` reads.
    Raises what `load_task` and `open_run` raise.
    """
    task = load_task(recipe, data, normalise)
    state = open_run(recipe, out, resume)
    return go_on(recipe, state, task, out=out, observe=observe)


def go_on(
    recipe: Recipe,
    state: TrainingState,
    task: Task,
    *,
    out: Path | str,
    observe: Observer,
) -> Validation | None:
    """Train from a state that is at hand."""
    return loop.train(
        state,
        task,
        Path(out),
        optimizer=recipe.optimizer,
        trainer=recipe.trainer,
        notes={"recipe.yaml": recipe.to_yaml()},
        observe=observe,
    )


def _check_folder(folder: Path, resume: Resume) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file. Name a folder with --out.")
    if resume == "auto" or not folder.exists() or not any(folder.iterdir()):
        return
    if newest_checkpoint(folder) is not None:
        raise OutputError(
            f"{folder} already holds a run. Go on with it by --resume auto, or choose another "
            "--out."
        )
    raise OutputError(f"{folder} is not empty. Choose another --out.")
