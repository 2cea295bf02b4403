"""What a recipe is trained on: the data that was named, in the tokens of the network."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from unmask.data.normalise import Normalise
from unmask.data.prepared import is_prepared, open_prepared
from unmask.data.records import read_records
from unmask.data.sequences import load_sequences
from unmask.data.text import load_corpus, read_documents
from unmask.dllm.config import DllmConfig
from unmask.errors import ConfigError
from unmask.files.model_folder import find_folder
from unmask.models.chat import ChatModel
from unmask.network.adapted import TailConfig
from unmask.network.config import HybridConfig
from unmask.recipes.arithmetic import arithmetic_tail_task, arithmetic_task
from unmask.recipes.recipe import Recipe
from unmask.recipes.trunks import TrunkModel, trunk_network
from unmask.training.config import TrainerConfig
from unmask.training.sequence_task import SequenceTask
from unmask.training.tail_task import TailTask
from unmask.training.task import Task, TextTask
from unmask.vocabularies.characters import text8
from unmask.vocabularies.named import named_vocabulary
from unmask.vocabularies.vocabulary import Vocabulary

ARITHMETIC = "arithmetic"
"""The data that is made on the spot."""


def load_task(
    recipe: Recipe,
    data: Path | str,
    normalise: Literal["as_is", "text8"] = "as_is",
    trunk: TrunkModel | None = None,
    begin: str = "",
    vocabulary: Vocabulary | None = None,
) -> Task:
    """What a recipe is to be trained on: a text, or "arithmetic" for a large model's recipe.

    `trunk` is the model that a tail is for; `begin` the model that a run begins with, whose
    tokens it keeps; `vocabulary` the tokens of the data, None text8's (`with_vocabulary`), and
    of a tail those of its trunk.

    Raises:
        ConfigError: the recipe's network does not fit this kind of data or the vocabulary.
        DataError: the text cannot be read, has what the vocabulary has not, or is too short.
    """
    is_arithmetic, model = str(data) == ARITHMETIC, recipe.model
    if isinstance(model, TailConfig) and trunk is None:
        raise ConfigError("a tail needs the model it is for: give its `trunk`.")
    if isinstance(model, DllmConfig) or isinstance(trunk, ChatModel):
        if not is_arithmetic:
            raise ConfigError(
                f"this recipe answers questions, and {data} is none of the kinds it can learn "
                f"from. Give --data {ARITHMETIC}, or choose a text8 recipe for a text."
            )
        if isinstance(model, DllmConfig):
            return arithmetic_task(model, find_folder(begin) if begin else None)
        assert isinstance(model, TailConfig) and isinstance(trunk, ChatModel)
        orders = recipe.trainer.orders_of("left-to-right")
        return arithmetic_tail_task(model, trunk, orders)
    if is_arithmetic:
        raise ConfigError(
            f"this recipe is for text, and {ARITHMETIC} are questions with answers. Name a text, "
            f"such as text8.zip, or choose the recipe {ARITHMETIC}."
        )
    if not isinstance(model, TailConfig):
        return _text_task(model, recipe.trainer, data, normalise, vocabulary or text8())
    assert trunk is not None, "checked above"
    network = trunk_network(trunk)
    whole = model.on(network)
    lessons = _text_task(whole, recipe.trainer, data, normalise, trunk.vocabulary)
    lengths = lessons.num_of_lengths if isinstance(lessons, SequenceTask) else None
    return TailTask(lessons, network, model, lengths)


def _text_task(
    model: HybridConfig,
    trainer: TrainerConfig,
    data: Path | str,
    normalise: Literal["as_is", "text8"],
    chosen: Vocabulary,
) -> TextTask | SequenceTask:
    """A text, or sequences, for a network of this shape."""
    how = Normalise(normalise)
    if model.vocab_size != chosen.vocab_size:
        raise ConfigError(
            f"the recipe's model.vocab_size is {model.vocab_size}, and its text has "
            f"{chosen.vocab_size} tokens, {chosen.describe()}. Name the vocabulary that the "
            "recipe is for (--vocabulary), or leave --model.vocab_size to it."
        )
    is_causal = model.is_causal
    fills_in, share = model.fills_in, trainer.given_share
    if fills_in != (share > 0):
        raise ConfigError(
            f"the recipe's model.fills_in is {fills_in} and its trainer.given_share {share}: a "
            "model fills in templates if a share of its examples has something given first. Set "
            "both, or neither; only a causal trunk (model.reach causal) has them."
        )
    max_window = model.max_window if is_causal else None
    length, orders = model.length, trainer.orders_of("random")
    ready = open_prepared(data) if is_prepared(data) else None
    if ready is not None and ready.vocabulary != chosen:
        raise ConfigError(
            f"{data} was made ready as {ready.vocabulary.describe()}, and the network reads other "
            f"tokens, {chosen.describe()}. Prepare it with the model's: --vocabulary MODEL."
        )
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
        if name:
            raise ConfigError(
                f"--vocabulary {name!r:.60} was named, and this recipe has its tokens from its "
                "model: those of its trunk, or of the questions. Leave it out."
            )
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
