"""Carry out a recipe: read the data, make or resume the run, train.

`unmask.train(unmask.preset("text8-small"), data="text8.zip", out="runs/a")` does all of it.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from unmask.data.normalise import Normalise
from unmask.data.prepared import is_prepared, open_prepared
from unmask.data.records import read_records
from unmask.data.sequences import load_sequences
from unmask.data.text import load_corpus, read_documents
from unmask.dllm.adapted import adapted_kind
from unmask.dllm.config import DllmConfig
from unmask.dllm.network import DllmNetwork, shallower
from unmask.errors import ConfigError
from unmask.files.model_folder import find_folder
from unmask.models.chat import ChatModel
from unmask.models.load import load
from unmask.network.adapted import TailConfig
from unmask.network.config import HybridConfig
from unmask.network.tail_folder import read_tail
from unmask.recipes.arithmetic import arithmetic_tail_task, arithmetic_task
from unmask.recipes.recipe import Recipe, preset
from unmask.speed.denormals import flushing_denormals
from unmask.training import loop
from unmask.training.report import Observer
from unmask.training.run_folder import RUN_FILE, RunRecord, check_is_free, flat, read_record
from unmask.training.sequence_task import SequenceTask
from unmask.training.session import is_main_process
from unmask.training.state import TrainingState, newest_checkpoint, step_of
from unmask.training.task import Task, TextTask
from unmask.training.validation import Validation
from unmask.vocabularies.characters import text8
from unmask.vocabularies.named import named_vocabulary
from unmask.vocabularies.vocabulary import Vocabulary

Resume = Literal["never", "auto"]
ARITHMETIC = "arithmetic"
"""The data that is made on the spot."""


def load_task(
    recipe: Recipe,
    data: Path | str,
    normalise: Literal["as_is", "text8"] = "as_is",
    trunk: ChatModel | None = None,
    begin: str = "",
    vocabulary: Vocabulary | None = None,
) -> Task:
    """What a recipe is to be trained on: a text, or "arithmetic" for a large model's recipe.

    `trunk` is the model that a tail is for; `begin` the model that a run begins with, whose
    tokens it keeps; `vocabulary` the tokens of the data, None text8's (`with_vocabulary`).

    Raises:
        ConfigError: the recipe's network does not fit this kind of data or the vocabulary.
        DataError: the text cannot be read, has what the vocabulary has not, or is too short.
    """
    is_arithmetic = str(data) == ARITHMETIC
    if not isinstance(recipe.model, HybridConfig):
        if not is_arithmetic:
            raise ConfigError(
                f"this recipe answers questions, and {data} is none of the kinds it can learn "
                f"from. Give --data {ARITHMETIC}, or choose a text8 recipe for a text."
            )
        if isinstance(recipe.model, DllmConfig):
            return arithmetic_task(recipe.model, find_folder(begin) if begin else None)
        return arithmetic_tail_task(recipe.model, _needed(trunk), recipe.trainer.orders)
    if is_arithmetic:
        raise ConfigError(
            f"this recipe is for text, and {ARITHMETIC} are questions with answers. Name a text, "
            f"such as text8.zip, or choose the recipe {ARITHMETIC}."
        )
    how = Normalise(normalise)
    chosen = vocabulary or text8()
    if recipe.model.vocab_size != chosen.vocab_size:
        raise ConfigError(
            f"the recipe's model.vocab_size is {recipe.model.vocab_size}, and its text has "
            f"{chosen.vocab_size} tokens, {chosen.describe()}. Name the vocabulary that the "
            "recipe is for (--vocabulary), or leave --model.vocab_size to it."
        )
    is_causal = recipe.model.is_causal
    fills_in, share = recipe.model.fills_in, recipe.trainer.given_share
    if fills_in != (share > 0):
        raise ConfigError(
            f"the recipe's model.fills_in is {fills_in} and its trainer.given_share {share}: a "
            "model fills in templates if a share of its examples has something given first. Set "
            "both, or neither; only a causal trunk (model.reach causal) has them."
        )
    max_window = recipe.model.max_window if is_causal else None
    length, orders = recipe.model.length, recipe.trainer.orders
    ready = open_prepared(data) if is_prepared(data) else None
    records = None if ready else read_records(data)
    if records is not None or (ready is not None and ready.kind == "sequences"):
        if is_causal and chosen.num_ends and not fills_in:
            raise ConfigError(
                "a causal trunk writes sequences between ends that are given, which is to fill in "
                "a template. Set --model.fills_in true and --trainer.given_share, such as 0.25."
            )
        if ready is not None:
            sequences = ready.sequences()
        else:
            assert records is not None
            sequences = load_sequences(records.each, chosen, data)
        return SequenceTask(sequences, length, orders, chosen, max_window, share)
    corpus = ready.corpus() if ready else load_corpus(data, chosen, normalise=how)
    return TextTask(corpus, length, orders, chosen, max_window, share)


def with_vocabulary(
    recipe: Recipe,
    data: Path | str,
    name: str,
    normalise: Literal["as_is", "text8"] = "as_is",
) -> tuple[Recipe, Vocabulary | None]:
    """A recipe whose network has as many tokens as the vocabulary of the data; and that.

    The vocabulary is named (`named_vocabulary`); "" is that of the recipe, or of records the one
    that is usual for them; None is text8's.

    Raises:
        ConfigError: there is no such vocabulary.
        DataError: the text that one is to be learnt from cannot be read.
        CheckpointError: its files are damaged.
    """
    if not isinstance(recipe.model, HybridConfig) or str(data) == ARITHMETIC:
        return recipe, None
    if is_prepared(data):
        if name not in ("", recipe.vocabulary):
            raise ConfigError(
                f"--vocabulary {name!r:.60} was named, and {data} is data that is ready, whose "
                "tokens are chosen. Leave it out, or prepare the data with that."
            )
        found = open_prepared(data).vocabulary
    else:
        records = read_records(data)
        name = name or recipe.vocabulary or (records.usual_vocabulary if records else "")
        if not name:
            return recipe, None
        found = named_vocabulary(name, lambda: _lines(data, Normalise(normalise)))
    model = replace(recipe.model, vocab_size=found.vocab_size)
    return replace(recipe, model=model), found


def _lines(data: Path | str, normalise: Normalise) -> Iterator[str]:
    """What a vocabulary is learnt from: records, or the lines of a text."""
    records = read_records(data)
    if records is not None:
        yield from (each.text.decode(errors="replace") for each in records.each)
        return
    for text in read_documents(data, normalise=normalise):
        yield from text.decode(errors="replace").splitlines(keepends=True)


def load_trunk(recipe: Recipe, name: str) -> ChatModel | None:
    """The model that a recipe's tail is for, which only such a recipe has.

    Raises:
        ConfigError: one is named and not wanted, wanted and not named, or no large model.
        CheckpointError: there is no such model, or its files are damaged.
    """
    is_wanted = isinstance(recipe.model, TailConfig)
    if is_wanted != bool(name):
        raise ConfigError(
            "--trunk is missing: name the large model that the tail is for."
            if is_wanted
            else f"this recipe trains a whole network, and --trunk {name} has no place in it. "
            "Leave it out, or choose the recipe adapt."
        )
    if not is_wanted:
        return None
    model = load(name)
    if not isinstance(model, ChatModel):
        raise ConfigError(
            f"{name} is a model of characters, which learns its tail together with its trunk. "
            "Name a large model as --trunk."
        )
    return model


def _needed(trunk: ChatModel | None) -> ChatModel:
    if trunk is None:
        raise ConfigError("a tail needs the model it is for: give its `trunk`.")
    return trunk


def open_run(
    recipe: Recipe,
    out: Path | str,
    resume: Resume = "never",
    trunk: ChatModel | None = None,
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
    network = None if trunk is None else trunk.trunk
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


def _weights(name: str, model: Any, trunk: DllmNetwork | None) -> dict[str, Tensor]:
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
    model: ChatModel | str,
    *,
    out: Path | str,
    data: Path | str = ARITHMETIC,
    recipe: Recipe | None = None,
    resume: Resume = "never",
    begin: str = "",
    observe: Observer = lambda report: None,
) -> ChatModel:
    """Train a causal tail for a large model, which stays as it is; the model with its tail.

    `out` becomes a tail folder (`with_tail`, --tail); `recipe` is the preset "adapt" unless
    another is given; a new run begins with the tail in the folder `begin`, if it is named.
    Raises what `train` raises.
    """
    recipe = recipe or preset("adapt")
    if isinstance(model, str):
        found = load(model)
        if not isinstance(found, ChatModel):
            raise ConfigError(f"{model} is a model of text; a tail is for a large one.")
        model = found
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
