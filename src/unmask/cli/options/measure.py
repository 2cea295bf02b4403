"""How many samples are measured, and by which words their spelling is judged."""

from pathlib import Path

from jsonargparse import Namespace

from unmask.cli.options.model import add_words_option
from unmask.cli.options.parser import Parser
from unmask.frontier.folder import Settings, fingerprint
from unmask.models.text import TextModel


def add_measure_options(parser: Parser, *, num_samples: int, batch_size: int, of: str) -> None:
    """--num-samples, --batch-size, --seed and --words; `of` says what is sampled."""
    parser.add_argument(
        "--num-samples", type=int, default=num_samples, help=f"Of {of}, at least 16."
    )
    parser.add_argument(
        "--batch-size", type=int, default=batch_size, help="Samples drawn at a time."
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help=f"Seed of the first sample of {of}; the next has the next.",
    )
    add_words_option(parser)


def settings_of(options: Namespace, model: TextModel) -> Settings:
    """What the numbers of a report without judge and exact numbers have in common."""
    return Settings(
        model=Path(options.model).name,
        weights=fingerprint(model),
        precision=options.precision,
        num_samples=options.num_samples,
        seed=options.seed,
        batch_size=options.batch_size,
        judge="",
    )
