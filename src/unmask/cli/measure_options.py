"""How many samples are measured, and by which words their spelling is judged."""

from unmask.cli.parser import Parser
from unmask.model import WORDS_FILE


def add_measure_options(parser: Parser, *, num_samples: int, batch_size: int, of: str) -> None:
    """--num-samples, --batch-size, --seed and --words; `of` says what is sampled."""
    parser.add_argument(
        "--num-samples", type=int, default=num_samples, help=f"Of {of}, at least 16."
    )
    parser.add_argument("--batch-size", type=int, default=batch_size, help="At a time.")
    parser.add_argument("--seed", type=int, default=0, help=f"Of the first sample of {of}.")
    parser.add_argument(
        "--words",
        type=str,
        default="",
        help=f"List of known words; else the model's {WORDS_FILE}.",
    )
