"""`unmask train`: run a recipe."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from unmask.cli.parser import Parser
from unmask.cli.progress import progress
from unmask.data.characters import text8
from unmask.data.normalise import Normalise
from unmask.data.text import Corpus, load_corpus
from unmask.errors import ConfigError, OutputError
from unmask.network.config import HybridConfig
from unmask.recipes.recipe import Recipe, preset_names, preset_values
from unmask.training.config import TrainerConfig
from unmask.training.loop import Report, new_state, resume, train
from unmask.training.optimizers import OptimizerConfig
from unmask.training.state import newest_checkpoint

_SECTIONS = {"model": HybridConfig, "optimizer": OptimizerConfig, "trainer": TrainerConfig}


def run(arguments: Sequence[str]) -> int:
    """Train; the exit status."""
    parser = build_parser()
    if arguments and not arguments[0].startswith("-"):
        parser.set_defaults(_dotted(preset_values(arguments[0])))
    options = parser.parse(arguments)
    recipe = Recipe(
        **{name: cls(**options[name].as_dict()) for name, cls in _SECTIONS.items()}
    )
    if options.print_recipe:
        print(recipe.to_yaml(), end="")
        return 0
    return _train(recipe, options.data, options.out, options)


def build_parser() -> Parser:
    """The options of `unmask train`."""
    parser = Parser(
        "train",
        "Train a model from a recipe. The run folder holds checkpoints, metrics.jsonl and, "
        "renewed with each checkpoint, a model that `unmask generate` loads. SIGTERM and "
        "--trainer.minutes end a session with a checkpoint; --resume auto goes on from it, "
        "bit for bit. Several processes: `accelerate launch -m unmask.cli.train ...`.",
        print_config=None,
    )
    names = ", ".join(preset_names())
    parser.add_argument("recipe", help=f"One of: {names}.")
    parser.add_argument("--data", type=str, help="Text: plain, .gz, .xz or .zip.")
    parser.add_argument("--out", type=str, help="Folder of the run; must be new, or --resume.")
    parser.add_argument(
        "--resume",
        choices=["never", "auto"],
        default="never",
        help="auto: go on from the newest checkpoint in --out, or start if there is none.",
    )
    parser.add_argument(
        "--normalise", action="store_true", help="Bring the text into text8's form: a-z, spaces."
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="Time two steps, say how long the run would take, and write nothing.",
    )
    parser.add_argument("--print-recipe", "--print-config", action="store_true",
                        help="Print the recipe with all overrides as YAML, and stop.")  # fmt: skip
    parser.add_argument("--config", action="config", help="YAML with overrides, by section.")
    for name, cls in _SECTIONS.items():
        parser.add_class_arguments(cls, name)
    return parser


def _train(recipe: Recipe, data: str | None, out: str | None, options: object) -> int:
    codec = text8()
    if data is None:
        raise ConfigError("--data is missing: name a text to train on, such as text8.zip.")
    if recipe.model.vocab_size != codec.vocab_size:
        raise ConfigError(
            f"the recipe's model.vocab_size is {recipe.model.vocab_size}, but text in characters "
            f"has {codec.vocab_size} tokens. Choose a text8 recipe, or set --model.vocab_size."
        )
    normalise = Normalise.TEXT8 if options.normalise else Normalise.AS_IS
    corpus = load_corpus(data, codec, normalise=normalise)
    if options.dry_run:
        return _dry_run(recipe, corpus)
    if out is None:
        raise ConfigError("--out is missing: name the folder of the run.")
    folder = Path(out)
    _check_folder(folder, options.resume)
    state = new_state(recipe.model, recipe.optimizer, recipe.trainer)
    if options.resume == "auto" and resume(state, folder):
        print(f"resuming {folder} at step {state.progress.step:,}", file=sys.stderr)
    _write_recipe(folder, recipe)
    with _progress_bar(recipe, state.progress.step) as observe:
        train(
            state, corpus, folder, optimizer=recipe.optimizer, trainer=recipe.trainer,
            codec=codec.to_json(), observe=observe,
        )  # fmt: skip
    print(f"step {state.progress.step:,} of {recipe.trainer.num_steps:,}; model in {folder}")
    return 0


def _check_folder(folder: Path, resume_choice: str) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file. Name a folder with --out.")
    if newest_checkpoint(folder) is not None and resume_choice == "never":
        raise OutputError(
            f"{folder} already holds a run. Go on with it by --resume auto, or choose another "
            "--out."
        )
    if folder.exists() and resume_choice == "never":
        raise OutputError(f"{folder} is not empty. Choose another --out.")


def _dry_run(recipe: Recipe, corpus: Corpus) -> int:
    """Two steps in a folder that is thrown away; the second is timed."""
    trainer = replace(recipe.trainer, num_steps=2, log_every=1, num_valid=2, compile=False)
    state = new_state(recipe.model, recipe.optimizer, trainer)
    num_weights = sum(p.numel() for p in state.model.parameters())
    moments = [time.perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        train(
            state, corpus, Path(folder), optimizer=recipe.optimizer, trainer=trainer, codec={},
            observe=lambda report: moments.append(time.perf_counter()),
        )  # fmt: skip
    seconds = moments[2] - moments[1]
    tokens = recipe.trainer.batch_size * recipe.model.length
    hours = seconds * recipe.trainer.num_steps / 3600
    print(
        f"{num_weights:,} weights; {len(corpus.train):,} training tokens; "
        f"{recipe.trainer.num_steps:,} steps of {tokens:,} tokens; {tokens / seconds:,.0f} tokens/s "
        f"on this machine: about {hours:.1f} hours. Nothing was written."
    )
    return 0


@contextmanager
def _progress_bar(recipe: Recipe, done: int) -> Iterator[Callable[[Report], None]]:
    with progress("training", recipe.trainer.num_steps, done=done) as advance:

        def observe(report: Report) -> None:
            note = (
                f"draft {report.draft_bits:.3f} target {report.target_bits:.3f} bits  "
                f"{report.tokens_per_second:,.0f} tokens/s"
            )
            if report.validation is not None:
                valid = report.validation
                note += f"  valid {valid.draft_bits:.3f} {valid.target_bits:.3f}"
            advance(report.progress.step, note)

        yield observe


def _write_recipe(folder: Path, recipe: Recipe) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").write_text(recipe.to_yaml())
    except OSError as error:
        raise OutputError(
            f"cannot write to {folder}: {error.strerror}. Choose another --out."
        ) from error


def _dotted(sections: dict[str, dict]) -> dict:
    return {f"{name}.{key}": v for name, fields in sections.items() for key, v in fields.items()}


if __name__ == "__main__":
    from unmask.cli.main import main

    sys.exit(main(["train", *sys.argv[1:]]))
