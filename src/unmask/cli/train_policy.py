"""`unmask train-policy`: an unmasking policy for a model, by policy gradient."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from unmask.cli.options.model import add_model_options, add_words_option, known_words, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.options.run import add_folder_options
from unmask.cli.progress import progress
from unmask.errors import ConfigError
from unmask.evaluation.novel_spelling import fresh_spelling
from unmask.files.model_folder import POLICY_FOLDER
from unmask.files.tensors import weights_fingerprint
from unmask.models.text import TextModel
from unmask.network.policy import PolicyConfig
from unmask.training.parts.policy_config import PolicyTrainer
from unmask.training.parts.policy_run import (
    PolicyReport,
    Quality,
    open_run,
    train,
)
from unmask.training.run_folder import RunRecord, flat


def run(arguments: Sequence[str]) -> int:
    """Train; the exit status."""
    options = build_parser().parse(arguments)
    trainer = PolicyTrainer(**options.trainer.as_dict())
    if not options.out:
        raise ConfigError("--out is missing: name a folder for the policy.")
    model = load_model(options)
    words = known_words(options)
    config = PolicyConfig(length=model.length, **options.policy.as_dict())
    folder = Path(options.out)
    record = RunRecord(
        settings=flat({"policy": asdict(config), "trainer": asdict(trainer)}),
        fingerprints={"model": weights_fingerprint(model.network)},
    )
    state = open_run(config, trainer, folder, options.resume, record)
    done = state.progress.step
    if done:
        print(f"resuming {folder} at step {done:,}", file=sys.stderr, flush=True)
    with _progress_bar(trainer, done) as observe:
        train(
            model.network,
            _quality(model, words),
            state,
            trainer,
            folder,
            record=record,
            observe=observe,
        )
    print(
        f"step {state.progress.step:,} of {trainer.num_steps:,}; policy in {folder}. Try it: "
        f"unmask generate {options.model} --sampler learned-policy --sampler.policy {folder}"
    )
    return 0


def build_parser() -> Parser:
    """The options of `unmask train-policy`."""
    parser = Parser(
        "train-policy",
        "Train a small network that decides, pass by pass, which positions the sampler "
        "`learned-policy` reveals. The model stays as it is: sequences are generated, and the "
        "policy is moved towards the decisions of those that came out better than their group. "
        "The reward is quality times (1 - passes / length)^alpha; quality is the share of "
        "letters in known words that the sequence has not used before. SIGTERM, Ctrl-C and "
        "--trainer.minutes end a session with a checkpoint. A policy that lies "
        f"in the folder {POLICY_FOLDER!r} of its model is found there by `unmask generate` and "
        "`unmask evaluate`.",
        usage="unmask train-policy MODEL --out FOLDER [options]",
    )
    add_model_options(parser)
    parser.set_defaults(precision="bf16")
    add_folder_options(parser)
    add_words_option(parser)
    parser.add_class_arguments(PolicyTrainer, "trainer")
    parser.add_class_arguments(PolicyConfig, "policy", skip={"length"})
    return parser


def _quality(model: TextModel, words: frozenset[str]) -> Quality:
    def quality(token_ids: Tensor) -> Tensor:
        texts = [model.vocabulary.decode(row) for row in token_ids.cpu()]
        return torch.tensor([fresh_spelling(text, words) for text in texts], dtype=torch.float64)

    return quality


@contextmanager
def _progress_bar(trainer: PolicyTrainer, done: int) -> Iterator[Callable[[PolicyReport], None]]:
    with progress("training", trainer.num_steps, done=done) as advance:

        def observe(report: PolicyReport) -> None:
            advance(
                report.progress.step,
                f"reward {report.reward:.3f}  quality {report.quality:.3f}  "
                f"{report.passes:.1f} passes",
            )

        yield observe
