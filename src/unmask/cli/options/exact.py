"""The options of exact quality: how much of it is computed, and on what."""

from jsonargparse import Namespace

from unmask.cli.options.parser import Parser
from unmask.frontier.exact import ExactPlan


def add_exact_options(parser: Parser) -> None:
    """--exact-sequences and the two of the chain."""
    defaults = ExactPlan()
    parser.add_argument(
        "--exact-sequences",
        type=int,
        default=0,
        help="Exact quality too (docs/exact-quality.md): bits per token of so many sequences of "
        "the validation part of --data under each sampler, where that is known, and its "
        "divergence from a Markov chain. A sequence of D tokens costs about D passes for each "
        "kind of order. 0: leave out.",
    )
    parser.add_argument(
        "--chain-order",
        type=int,
        default=defaults.chain_order,
        help="Tokens that the chain remembers, 1 to 3; each more takes V times as long.",
    )
    parser.add_argument(
        "--chain-length",
        type=int,
        default=defaults.chain_length,
        help="Tokens of a sequence of the chain.",
    )


def exact_plan(options: Namespace) -> ExactPlan | None:
    """What was asked for; None if exact quality is left out.

    Raises `ConfigError` for choices that cannot work.
    """
    if options.exact_sequences == 0:
        return None
    return ExactPlan(
        num_sequences=options.exact_sequences,
        chain_order=options.chain_order,
        chain_length=options.chain_length,
    )
