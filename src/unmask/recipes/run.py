"""Carry out a recipe: read the data, make or resume the run, train.

`unmask.train(unmask.preset("text8-small"), data="text8.zip", out="runs/a")` does all of it.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from unmask.dllm.adapted import adapted_kind
from unmask.dllm.network import DllmNetwork, shallower
from unmask.errors import ConfigError
from unmask.models.chat import ChatModel
from unmask.models.load import load
from unmask.network.adapted import TailConfig
from unmask.network.tail_folder import read_tail
from unmask.recipes.recipe import Recipe, preset
from unmask.recipes.tasks import ARITHMETIC, load_task, with_vocabulary
from unmask.recipes.trunks import TrunkModel, load_trunk, trunk_network
from unmask.speed.denormals import flushing_denormals
from unmask.training import loop
from unmask.training.report import Observer
from unmask.training.run_folder import RUN_FILE, RunRecord, check_is_free, flat, read_record
from unmask.training.session import is_main_process
from unmask.training.state import TrainingState, newest_checkpoint, step_of
from unmask.training.task import Task
from unmask.training.validation import Validation

Resume = Literal["never", "auto"]


def open_run(
    recipe: Recipe,
    out: Path | str,
    resume: Resume = "never",
    trunk: TrunkModel | None = None,
    begin: str = "",
    record: RunRecord | None = None,
) -> TrainingState:
    """The state from which a run goes on: a new one, or that of its newest checkpoint.

    A new one has the weights of the model `begin`, if there is one; its optimisers are new. A
    large model may be shallower than `begin`: then it has blocks of all depths (a drafter).

    Raises:
        OutputError: `out` holds something already, and `resume` is "never".
        CheckpointError: the newest checkpoint is damaged or of another recipe; there is no model
            `begin`.
        ConfigError: `begin` is a model of another shape; or the run was begun with something else
            than the `record` says.
    """
    folder = Path(out)
    newest = newest_checkpoint(folder)
    if is_main_process():
        check_is_free(folder, has_checkpoint=newest is not None, resume=resume)
    if newest is not None and record is not None:
        record.check_goes_on(folder, step=step_of(newest))
    network = trunk_network(trunk)
    state = loop.new_state(recipe.model, recipe.optimizer, recipe.trainer, network)
    is_resumed = resume == "auto" and loop.resume(state, folder)
    if begin and not is_resumed:
        state.begin_with(_weights(begin, state.model, network))
    return state


def record_of(
    recipe: Recipe, task: Task, *, trunk: str = "", begin: str = "", **names: str
) -> RunRecord:
    """What decides what a run learns; `names` are what it was given by name."""
    sections = {name: value for name, value in asdict(recipe).items() if name != "vocabulary"}
    return RunRecord(
        settings=flat(sections),
        fingerprints={"data": task.fingerprint, "first weights": begin},
        names={"trunk": trunk, "begin": begin, **names},
    )


def named_at_first(out: Path | str, resume: Resume, name: str, value: str) -> str:
    """A model or data by name: that of the run that is gone on with, where none is named now."""
    begun = read_record(Path(out)) if resume == "auto" else None
    return value or (begun.names.get(name, "") if begun else "")


def vocabulary_of_run(out: Path | str, resume: Resume, name: str) -> str:
    """The vocabulary of a run by name; of one that goes on and learnt one, that."""
    is_learnt = name.startswith("learn:") and resume == "auto"
    return str(out) if is_learnt and newest_checkpoint(Path(out)) is not None else name


def _weights(name: str, model: Any, trunk: Any) -> dict[str, Tensor]:
    """Those of a model of the same shape; of a tail folder, if the recipe is for a tail.

    A shallower large model takes blocks of all depths: the first, the last, and some between.
    """
    if trunk is not None:
        return dict(read_tail(Path(name), trunk, adapted_kind(trunk)).state_dict())
    opened = load(name)
    found: Any = opened.trunk if isinstance(opened, ChatModel) else opened.network
    if isinstance(opened, ChatModel) and isinstance(model, DllmNetwork):
        found = shallower(found, model.config.num_blocks)
    if found.config != model.config:
        raise ConfigError(
            f"--begin {name} is a model of another shape: it has {found.config}, the recipe "
            f"{model.config}. Set the options --model.* to those of the model, or leave --begin "
            "out."
        )
    return dict(found.state_dict())


def train(
    recipe: Recipe | str,
    *,
    data: Path | str,
    out: Path | str,
    resume: Resume = "never",
    normalise: Literal["as_is", "text8"] | bool = "as_is",
    trunk: str = "",
    begin: str = "",
    vocabulary: str = "",
    observe: Observer = lambda report: None,
) -> Validation | None:
    """Train to the end of the recipe (or the preset of that name), its time limit or SIGTERM; the
    last validation.

    `out` becomes a run folder, and with each checkpoint a model folder that `load` reads; or,
    of a recipe for the tail of the model `trunk`, a tail folder. A new run begins with the weights
    of the model `begin`, if it is named. `vocabulary` are the tokens of a text, by name
    (`named_vocabulary`); "" is text8's. Denormal numbers are taken for zero meanwhile
    (`unmask.flush_denormals`).
    Raises what `load_task`, `load_trunk` and `open_run` raise.
    """
    recipe = preset(recipe) if isinstance(recipe, str) else recipe
    if isinstance(normalise, bool):
        normalise = "text8" if normalise else "as_is"
    with flushing_denormals():
        trunk = named_at_first(out, resume, "trunk", trunk)
        begin = named_at_first(out, resume, "begin", begin)
        model = load_trunk(recipe, trunk)
        vocabulary = named_at_first(out, resume, "vocabulary", vocabulary)
        of_run = vocabulary_of_run(out, resume, vocabulary)
        recipe, known = with_vocabulary(recipe, data, of_run, normalise)
        task = load_task(recipe, data, normalise, model, begin, known)
        record = record_of(
            recipe, task, trunk=trunk, begin=begin, data=str(data), vocabulary=vocabulary
        )
        state = open_run(recipe, out, resume, model, begin, record)
        return go_on(recipe, state, task, out=out, observe=observe, record=record)


def adapt(
    model: TrunkModel | str,
    *,
    out: Path | str,
    data: Path | str = ARITHMETIC,
    recipe: Recipe | None = None,
    resume: Resume = "never",
    begin: str = "",
    observe: Observer = lambda report: None,
) -> TrunkModel:
    """Train a causal tail for a model that drafts, which stays as it is; the model with its tail.

    `data` are "arithmetic" problems for a large model, and else a text or sequences.

    `out` becomes a tail folder (`with_tail`, --tail); `recipe` is the preset "adapt" unless
    another is given; a new run begins with the tail in the folder `begin`, if it is named.
    Raises what `train` raises.
    """
    recipe = recipe or preset("adapt")
    model = load(model) if isinstance(model, str) else model
    if not isinstance(recipe.model, TailConfig):
        raise ConfigError(
            "this recipe trains a whole network; a tail wants one like the preset adapt."
        )
    with flushing_denormals():
        begin = named_at_first(out, resume, "begin", begin)
        task = load_task(recipe, data, trunk=model, begin=begin)
        record = record_of(recipe, task, trunk=model.name, begin=begin, data=str(data))
        state = open_run(recipe, out, resume, model, begin, record)
        go_on(recipe, state, task, out=out, observe=observe, record=record)
    return model.with_tail(out)


def go_on(
    recipe: Recipe,
    state: TrainingState,
    task: Task,
    *,
    out: Path | str,
    observe: Observer,
    record: RunRecord,
) -> Validation | None:
    """Train from a state that is at hand."""
    return loop.train(
        state,
        task,
        Path(out),
        optimizer=recipe.optimizer,
        trainer=recipe.trainer,
        notes={"recipe.yaml": recipe.to_yaml(), RUN_FILE: record.to_json()},
        observe=observe,
    )
