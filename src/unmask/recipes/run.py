"""Carry out a recipe: read the text, make or resume the run, train.

`unmask.train(unmask.preset("text8-small"), data="text8.zip", out="runs/a")` does all of it.
"""

from pathlib import Path
from typing import Literal

from unmask.data.characters import Characters, text8
from unmask.data.normalise import Normalise
from unmask.data.text import Corpus, load_corpus
from unmask.errors import ConfigError, OutputError
from unmask.recipes.recipe import Recipe
from unmask.training import loop
from unmask.training.report import Observer
from unmask.training.session import is_main_process
from unmask.training.state import TrainingState, newest_checkpoint
from unmask.training.validation import Validation

Resume = Literal["never", "auto"]


def load_data(
    recipe: Recipe, data: Path | str, normalise: Literal["as_is", "text8"] = "as_is"
) -> tuple[Corpus, Characters]:
    """The text a recipe is to be trained on, split, and the codec it was encoded with.

    Raises:
        ConfigError: the recipe's network has another vocabulary.
        DataError: the text cannot be read, or has characters outside the alphabet.
    """
    codec = text8()
    if recipe.model.vocab_size != codec.vocab_size:
        raise ConfigError(
            f"the recipe's model.vocab_size is {recipe.model.vocab_size}, but text in characters "
            f"has {codec.vocab_size} tokens. Choose a text8 recipe, or set --model.vocab_size."
        )
    return load_corpus(data, codec, normalise=Normalise(normalise)), codec


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
    Raises what `load_data` and `open_run` raise.
    """
    corpus, codec = load_data(recipe, data, normalise)
    state = open_run(recipe, out, resume)
    return go_on(recipe, state, corpus, codec, out=out, observe=observe)


def go_on(
    recipe: Recipe,
    state: TrainingState,
    corpus: Corpus,
    codec: Characters,
    *,
    out: Path | str,
    observe: Observer,
) -> Validation | None:
    """Train from a state that is at hand."""
    return loop.train(
        state,
        corpus,
        Path(out),
        optimizer=recipe.optimizer,
        trainer=recipe.trainer,
        codec=codec.to_json(),
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
