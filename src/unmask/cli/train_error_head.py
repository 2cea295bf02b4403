"""`unmask train-error-head`: a predictor of errors for a model, for star-shaped sampling."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unmask.cli.options.model import add_model_options, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.options.run import add_folder_options, add_text_options
from unmask.cli.progress import progress
from unmask.data.normalise import Normalise
from unmask.data.text import Corpus, load_corpus
from unmask.errors import ConfigError
from unmask.files.tensors import weights_fingerprint
from unmask.models.text import TextModel
from unmask.training.optimizers import OptimizerConfig
from unmask.training.parts.error_head import ErrorValidation
from unmask.training.parts.error_head_run import (
    ErrorHeadReport,
    ErrorHeadTrainer,
    open_run,
    train_error_head,
)
from unmask.training.run_folder import RunRecord, flat

_NEEDED = {"data": "a text to train on, such as text8.zip", "out": "a folder"}
_SECTIONS = {"optimizer": OptimizerConfig, "trainer": ErrorHeadTrainer}


def run(arguments: Sequence[str]) -> int:
    """Train; the exit status."""
    options = build_parser().parse(arguments)
    optimizer, trainer = (cls(**options[name].as_dict()) for name, cls in _SECTIONS.items())
    for name, what in _NEEDED.items():
        if not options[name]:
            raise ConfigError(f"--{name} is missing: name {what}.")
    model, folder = load_model(options), Path(options.out)
    normalise = Normalise.TEXT8 if options.normalise else Normalise.AS_IS
    corpus = load_corpus(options.data, model.vocabulary, normalise=normalise)
    record = _record(model, corpus, optimizer, trainer)
    chosen: dict[str, Any] = {"optimizer": optimizer, "trainer": trainer, "record": record}
    state = open_run(model.network, folder, resume=options.resume, **chosen)
    done = state.progress.step
    if done:
        print(f"resuming {folder} at step {done:,}", file=sys.stderr, flush=True)
    with _progress_bar(trainer.num_steps, done) as observe:
        found = train_error_head(state, model.network, corpus, folder, observe=observe, **chosen)
    if found is not None:
        print(_as_sentence(found))
    print(
        f"step {state.progress.step:,} of {trainer.num_steps:,}; error head in {folder}. Try it: "
        f"unmask generate {options.model} --sampler star-shaped "
        f"--sampler.error-predictor {folder}"
    )
    return 0


def _record(model: TextModel, corpus: Corpus, optimizer: Any, trainer: Any) -> RunRecord:
    """What decides what the run learns."""
    return RunRecord(
        settings=flat({"optimizer": asdict(optimizer), "trainer": asdict(trainer)}),
        fingerprints={
            "model": weights_fingerprint(model.network),
            "data": corpus.fingerprint,
        },
    )


def build_parser() -> Parser:
    """The options of `unmask train-error-head`."""
    parser = Parser(
        "train-error-head",
        "Train a predictor of errors on the frozen trunk of a model: it judges full guesses, and "
        "star-shaped sampling masks again what it finds wrong. Each step draws guesses for crops "
        "of the text and compares them with it. --out is renewed with each checkpoint and is "
        "what `unmask generate MODEL --sampler star-shaped --sampler.error-predictor FOLDER` "
        "reads; in the model's folder under the name error_head it is the model's own. SIGTERM, "
        "Ctrl-C and --trainer.minutes end a session with a checkpoint; --resume auto goes on.",
        usage="unmask train-error-head MODEL --data FILE --out FOLDER [options]",
    )
    add_model_options(parser)
    add_text_options(parser)
    add_folder_options(parser)
    for name, cls in _SECTIONS.items():
        parser.add_class_arguments(cls, name)
    return parser


@contextmanager
def _progress_bar(num_steps: int, done: int) -> Iterator[Callable[[ErrorHeadReport], None]]:
    with progress("training", num_steps, done=done) as advance:

        def observe(report: ErrorHeadReport) -> None:
            note = f"loss {report.loss:.3f} nats  {report.tokens_per_second:,.0f} tokens/s"
            if report.validation is not None:
                note += f"  valid AUC {report.validation.auc:.3f}"
            advance(report.progress.step, note)

        yield observe


def _as_sentence(found: ErrorValidation) -> str:
    return (
        f"{found.num_tokens:,} validation tokens, {found.error_rate:.1%} of them wrong: "
        f"AUC {found.auc:.4f} at {found.loss:.4f} nats; "
        f"by confidence when drawn {found.confidence_auc:.4f} at {found.confidence_loss:.4f}"
    )
