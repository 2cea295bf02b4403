"""`unmask train`: run a recipe."""

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import Namespace

from unmask.cli.options.parser import Parser
from unmask.cli.options.run import add_folder_options, add_text_options
from unmask.cli.progress import progress
from unmask.errors import ConfigError
from unmask.network.config import HybridConfig
from unmask.recipes.recipe import Recipe, model_kind, preset_names, preset_values
from unmask.recipes.run import go_on, open_run, record_of, vocabulary_of_run
from unmask.recipes.tasks import load_task, with_vocabulary
from unmask.recipes.trunks import TrunkModel, load_trunk, trunk_network
from unmask.shapes import PAD
from unmask.speed.arithmetic import PEAKS, count_operations, seconds_on
from unmask.speed.memory import peak_bytes
from unmask.training.config import TrainerConfig
from unmask.training.loop import new_state, train
from unmask.training.objective import losses
from unmask.training.optimizers import OptimizerConfig
from unmask.training.report import Report
from unmask.training.run_folder import RunRecord, read_record
from unmask.training.sequence_task import SequenceTask
from unmask.training.session import is_main_process
from unmask.training.state import Progress, TrainingState
from unmask.training.tail_task import TailTask
from unmask.training.task import Task, TextTask


def run(arguments: Sequence[str]) -> int:
    """Train; the exit status."""
    values = preset_values(_recipe_name(arguments))
    parser = build_parser(model_kind(values))
    parser.set_defaults(_dotted(values))
    options = parser.parse(arguments)
    begun = read_record(Path(options.out)) if options.out and options.resume == "auto" else None
    if begun is not None:
        options = _as_begun(begun, parser, arguments, options)
    sections = _sections(model_kind(values))
    parts = {name: cls(**_values(options[name])) for name, cls in sections.items()}
    recipe = Recipe(**parts, vocabulary=values.get("vocabulary", ""))
    if options.print_recipe:
        recipe = replace(recipe, vocabulary=options.vocabulary)
    if options.print_recipe:
        print(recipe.to_yaml(), end="")
        return 0
    return _train(recipe, options)


def _as_begun(
    begun: RunRecord, parser: Parser, arguments: Sequence[str], options: Namespace
) -> Namespace:
    """The options of a run that goes on: as it was begun, but for what is named now."""
    recipe = begun.names.get("preset", options.recipe)
    if recipe != options.recipe:
        raise ConfigError(
            f"the run in {options.out} is one of the recipe {recipe}, and {options.recipe} was "
            "named. Name that one, or choose another --out."
        )
    known = vars(parser.get_defaults(skip_validation=True).as_flat())
    parser.set_defaults(
        {
            name: float("inf") if value == "inf" else value
            for name, value in begun.settings.items()
            if name in known
        }
    )
    again = parser.parse(arguments)
    for name in ("data", "trunk", "begin", "vocabulary"):
        again[name] = options[name] or begun.names.get(name, "")
    again.normalise = options.normalise or begun.names.get("normalise") == "text8"
    return again


def _values(section: Namespace) -> dict[str, Any]:
    """Of a section; what YAML has as a list is fixed."""
    values = section.as_dict().items()
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values}


def _recipe_name(arguments: Sequence[str]) -> str:
    """The recipe, whose values are the other options' defaults, so it must be found first."""
    if arguments and not arguments[0].startswith("-"):
        return arguments[0]  # so that `unmask train RECIPE --help` shows them
    name: str = build_parser().parse(arguments).recipe
    return name


def _sections(model: type) -> dict[str, type]:
    return {"model": model, "optimizer": OptimizerConfig, "trainer": TrainerConfig}


def build_parser(model: type = HybridConfig) -> Parser:
    """The options of `unmask train`, for a recipe of this kind of model."""
    parser = Parser(
        "train",
        "Train a model from a recipe. The run folder holds checkpoints, metrics.jsonl and, "
        "renewed with each checkpoint, a model that `unmask generate` loads. SIGTERM, Ctrl-C and "
        "--trainer.minutes end a session with a checkpoint; --resume auto goes on from it, "
        "bit for bit. Several processes: `torchrun --nproc-per-node 2 -m unmask.cli.train ...`.",
        usage="unmask train RECIPE --data FILE --out FOLDER [options]",
        print_config=None,
    )
    names = ", ".join(preset_names())
    parser.add_argument(
        "recipe",
        help=f"One of: {names}. Its values are the defaults of the dotted options below; "
        "`unmask train RECIPE --help` shows them.",
    )
    add_text_options(parser)
    parser.add_argument(
        "--vocabulary",
        type=str,
        default="",
        help="What the tokens of a text are: text8 (a-z and space; the default), bytes, "
        "characters (those of the text, if they are ASCII), characters:ABC..., learn:4096 (pieces "
        "learnt from the text), residues (those of ESM), smiles, or a folder with tokenizer.json "
        "or vocab.json and merges.txt, such as GPT-2's. By default the recipe's, and of FASTA and "
        "SMILES theirs. The network takes its number of tokens from it.",
    )
    add_folder_options(parser)
    parser.add_argument(
        "--trunk",
        type=str,
        default="",
        help="The model that drafts, for which the recipe adapt trains a tail: a large one, a "
        "folder of ESM-2 or DPLM, or one trained with --model.num_tail_blocks 0.",
    )
    parser.add_argument(
        "--begin",
        type=str,
        default="",
        help="A model of the recipe's shape (of the recipe adapt: a tail) whose weights a new run "
        "begins with, to train it further. A large model may be a deeper one, of whose blocks "
        "some of all depths are taken: a drafter for it.",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Time two steps; say how long the run would take here and on --gpu, how much memory, "
        "and how many operations a token is; and write nothing.",
    )
    parser.add_argument(
        "--gpu",
        type=str,
        default="H100",
        help=f"Of --dry-run: one of {', '.join(PEAKS)}, at 40 %% of the peak of its data sheet.",
    )
    parser.add_argument(
        "--print-recipe",
        "--print-config",
        action="store_true",
        help="Print the recipe with all overrides as YAML, and stop; --config reads it.",
    )
    parser.add_argument("--config", action="config", help="YAML with overrides, by section.")
    for name, cls in _sections(model).items():
        parser.add_class_arguments(cls, name)
    return parser


def _train(recipe: Recipe, options: Namespace) -> int:
    if not options.data:
        raise ConfigError(
            "--data is missing: name a text to train on, such as text8.zip, or for the recipe "
            "arithmetic the problems that are made on the spot: --data arithmetic."
        )
    trunk = load_trunk(recipe, options.trunk)
    normalise: Literal["as_is", "text8"] = "text8" if options.normalise else "as_is"
    name = vocabulary_of_run(options.out, options.resume, options.vocabulary)
    fitted, vocabulary = with_vocabulary(recipe, options.data, name, normalise)
    _check_was_not_chosen(recipe, fitted, options)
    recipe = fitted
    task = load_task(recipe, options.data, normalise, trunk, options.begin, vocabulary)
    if options.dry_run:
        return _dry_run(recipe, task, trunk, options.gpu)
    if not options.out:
        raise ConfigError("--out is missing: name the folder of the run.")
    record = record_of(
        recipe,
        task,
        trunk=options.trunk,
        begin=options.begin,
        preset=options.recipe,
        data=options.data,
        normalise=normalise,
        vocabulary=options.vocabulary,
    )
    state = open_run(recipe, options.out, options.resume, trunk, options.begin, record)
    done = state.progress.step
    if done:
        _say(f"resuming {options.out} at step {done:,}", file=sys.stderr)
    with _progress_bar(recipe, state.progress) as observe:
        last = go_on(recipe, state, task, out=options.out, observe=observe, record=record)
    of_all = "" if recipe.trainer.is_timed else f" of {recipe.trainer.num_steps:,}"
    is_over = recipe.trainer.is_timed or state.progress.step >= recipe.trainer.num_steps
    goes_on = "" if is_over else "; stopped: go on with --resume auto"
    found = "" if last is None else f"; valid {_bits(last.bits)} bits per token"
    _say(f"step {state.progress.step:,}{of_all}{found}; model in {options.out}{goes_on}")
    return 0


def _check_was_not_chosen(recipe: Recipe, fitted: Recipe, options: Namespace) -> None:
    """Raise `ConfigError` if another number of tokens was asked for than the vocabulary has."""
    usual = preset_values(options.recipe).get("model", {}).get("vocab_size", 27)
    asked, found = (getattr(each.model, "vocab_size", 0) for each in (recipe, fitted))
    if asked not in (usual, found):
        raise ConfigError(
            f"--model.vocab_size is {asked}, and --vocabulary {options.vocabulary} has {found} "
            "tokens. Leave --model.vocab_size out."
        )


def _dry_run(recipe: Recipe, task: Task, trunk: TrunkModel | None, gpu: str) -> int:
    """Two steps in a folder that is thrown away; the second is timed."""
    seconds_on(gpu, 0.0)  # before anything is done
    trainer = replace(
        recipe.trainer,
        num_steps=2,
        log_every=1,
        num_valid=2,
        compile=False,
        schedule="steps",
        minutes=math.inf,
    )
    network = trunk_network(trunk)
    state = new_state(recipe.model, recipe.optimizer, trainer, network)
    num_weights = sum(p.numel() for p in state.model.parameters())
    seen: list[Progress] = []
    with tempfile.TemporaryDirectory() as folder:
        train(
            state,
            task,
            Path(folder),
            optimizer=recipe.optimizer,
            trainer=trainer,
            observe=lambda report: seen.append(report.progress),
        )
    if not is_main_process():
        return 0
    step_seconds = seen[1].seconds - seen[0].seconds
    tokens = seen[1].num_tokens - seen[0].num_tokens
    if recipe.trainer.is_timed:
        num_steps = int(min(60 * recipe.trainer.minutes / step_seconds, 2**53))
    else:
        num_steps = recipe.trainer.num_steps
    memory = peak_bytes(next(state.model.parameters()).device)
    each = _operations_per_token(state, task)
    on_gpu = seconds_on(gpu, each * tokens * num_steps)
    _say(
        f"{num_weights:,} weights; {_amount(task)}"
        f"{num_steps:,} steps of {tokens:,} tokens; "
        f"{tokens / step_seconds:,.0f} tokens/s on this machine: about "
        f"{_duration(step_seconds * num_steps)}, {memory / 1e9:.1f} GB of memory; "
        f"{each / 1e6:,.0f} million operations a token, so on a GPU such as {gpu} at 40 % of its "
        f"peak {_duration(on_gpu)} (a small network does not fill one, and takes longer). "
        "Nothing was written."
    )
    return 0


def _operations_per_token(state: TrainingState, task: Task) -> float:
    """Of the matrix products of training, forwards and backwards."""
    token_ids, corruption = task.batch(0, 0, 2)
    device = next(state.model.parameters()).device
    rows = torch.arange(len(token_ids))[:2]
    own, ids = corruption.select(rows, device), token_ids[rows].to(device)
    operations = count_operations(lambda: losses(state.model, ids, own).total())
    return operations / int((ids != PAD).sum())


def _duration(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"


def _amount(task: Task) -> str:
    if isinstance(task, TailTask):
        return _amount(task.lessons)
    if isinstance(task, TextTask):
        return f"{len(task.corpus.train):,} training tokens; "
    if isinstance(task, SequenceTask):
        left_out = len(task.corpus.train) - len(task.train)
        and_more = f" ({left_out:,} are too long and left out)" if left_out else ""
        return f"{len(task.train):,} training sequences{and_more}; "
    return ""


@contextmanager
def _progress_bar(recipe: Recipe, begin: Progress) -> Iterator[Callable[[Report], None]]:
    if not is_main_process():
        yield lambda report: None
        return
    trainer = recipe.trainer

    def done(at: Progress) -> int:
        return int(at.seconds) if trainer.is_timed else at.step

    total = int(60 * trainer.minutes) if trainer.is_timed else trainer.num_steps
    with progress("training", total, done=done(begin)) as advance:

        def observe(report: Report) -> None:
            note = f"{_bits(report.bits)} bits  {report.tokens_per_second:,.0f} tokens/s"
            if report.validation is not None:
                values = report.validation.bits.values()
                note += "  valid " + " ".join(f"{value:.3f}" for value in values)
            if trainer.is_timed:
                note = f"seconds, step {report.progress.step:,}  {note}"
            advance(done(report.progress), note)

        yield observe


def _bits(parts: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in parts.items())


def _say(message: str, **options: Any) -> None:
    if is_main_process():
        print(message, flush=True, **options)


def _dotted(values: dict[str, Any]) -> dict[str, Any]:
    """Of a preset: its sections' fields, and what it names besides."""
    found = {name: value for name, value in values.items() if not isinstance(value, dict)}
    for name in values.keys() - found.keys():
        found |= {f"{name}.{key}": value for key, value in values[name].items()}
    return found


if __name__ == "__main__":
    from unmask.cli.main import entry

    entry(["train", *sys.argv[1:]])
