"""`unmask score`: bits per token of a text."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import Namespace
from torch import Tensor

from unmask.cli.options.model import add_model_options, add_tail_option, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.options.sampler import SamplerOptions
from unmask.cli.progress import adding_up, progress
from unmask.data.files import read_as_text
from unmask.data.normalise import Normalise
from unmask.data.records import Record, read_records
from unmask.data.text import consecutive_crops
from unmask.errors import ConfigError, DataError, OutputError
from unmask.evaluation.bits import BitsPerToken, Score
from unmask.files.atomic import replacing
from unmask.files.reading import dumps
from unmask.models.text import TextModel
from unmask.proteins.nearest import Database, Nearest
from unmask.samplers.likelihood import TractableSampler, law_of, num_passes
from unmask.samplers.registry import SAMPLERS, describe
from unmask.samplers.stream_likelihood import StreamLaw

_TRACTABLE = {
    name: SAMPLERS[name]
    for name in (
        "self-speculative",
        "target-only",
        "fixed-partition",
        "lossless",
        "lossless-branching",
        "autoregressive",
    )
}


def run(arguments: Sequence[str]) -> int:
    """Score; the exit status."""
    parser = build_parser()
    sampler_options = SamplerOptions(parser, arguments, _TRACTABLE)
    options = parser.parse(sampler_options.rest)
    model = load_model(options)
    sampler = sampler_options.build(options, model)
    assert isinstance(sampler, TractableSampler | StreamLaw)
    is_stream = isinstance(sampler, StreamLaw)
    _check_numbers(options, is_stream=is_stream)
    records = _records(options, model) if model.vocabulary.domain == "sequences" else []
    _check_output(options, has_records=bool(records))
    database = Database(options.nearest_in) if options.nearest_in else None
    scored: Any = [each.text.decode() for each in records]
    lengths = [len(model.vocabulary.encode(text)) for text in scored]
    if not records:
        scored = _crops(options, model).to(model.network.device)
        lengths = [scored.shape[1]] * len(scored)
    if isinstance(sampler, StreamLaw):
        total = len(lengths)
    else:
        passes = [num_passes(law_of(sampler, length), length) for length in lengths]
        total = sum(passes) * options.num_orders
    with progress("scoring", total) as advance:
        result = model.score(
            scored,
            sampler,
            num_orders=options.num_orders,
            seed=options.seed,
            batch_size=options.batch_size,
            observe=adding_up(advance, "sequences" if is_stream else "passes"),
        )
    if options.output:
        near = [] if database is None else find_nearest(database, scored)
        _write_table(options.output, records, result, near)
    shown = dumps(_as_json(result, sampler)) if options.json else ""
    print(shown or _as_text(result, sampler))
    return 0


def _check_numbers(options: Namespace, *, is_stream: bool) -> None:
    if is_stream and options.num_orders > 1:
        raise ConfigError(
            f"--num-orders is {options.num_orders}, and this law has one order, that of reading: "
            "its bits are exact. Leave it out."
        )
    for name in ("num_sequences", "num_orders", "batch_size"):
        if options[name] < 1:
            raise ConfigError(
                f"--{name.replace('_', '-')} must be at least 1, got {options[name]}."
            )


def find_nearest(database: Database, sequences: Sequence[str]) -> list[Nearest]:
    """The nearest of each, with progress."""
    with progress("comparing", len(sequences)) as advance:
        return list(database.nearest(sequences, adding_up(advance, "sequences")))


def _check_output(options: Namespace, *, has_records: bool) -> None:
    output = options.output
    if options.nearest_in and not output:
        raise ConfigError("--nearest-in adds columns to the table of --output: name that, too.")
    if output and not has_records:
        raise ConfigError("--output is a table of sequences, and a text has none. Leave it out.")
    if output and Path(output).exists():
        raise OutputError(
            f"{output} already exists and is left as it is. Choose another --output."
        )


def _records(options: Namespace, model: TextModel) -> list[Record]:
    """Evenly spaced records of the file, of those that the model can read."""
    found = read_records(options.file)
    if found is None:
        raise DataError(
            f"{options.file} is a text, and {model.name} reads {model.vocabulary.describe()}: "
            "give FASTA, a table, or a file of SMILES."
        )
    vocabulary = model.vocabulary
    every = list(found.each)
    short = []
    for each in every:
        ids = vocabulary.encode_bytes(each.text, source=each.where)
        says = ~np.isin(ids, vocabulary.silent_ids)
        if len(ids) <= model.length and says.any():
            short.append(each)
    if not short:
        raise DataError(
            f"{options.file} has {len(every):,} records, and none of at most {model.length} "
            f"{vocabulary.unit}, which is what {model.name} can read."
        )
    num = min(options.num_sequences, len(short))
    return [short[n * (len(short) - 1) // max(num - 1, 1)] for n in range(num)]


def _write_table(
    path: str, records: Sequence[Record], result: Score, near: Sequence[Nearest]
) -> None:
    """A line for each record: its name, what it is, its bits per token, and what is near it."""
    file = Path(path)
    with replacing(file) as draft, draft.open("w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table)
        more = ["nearest", "identity"] if near else []
        rows.writerow(["name", "sequence", "length", "bits_per_token", *more])
        for number, each in enumerate(records):
            bits, text = result.sequence_bits[number], each.text.decode()
            found = [near[number].name, f"{near[number].identity:.4f}"] if near else []
            rows.writerow([each.name, text, len(text), f"{bits:.6f}", *found])


def _crops(options: Namespace, model: TextModel) -> Tensor:
    """Evenly spaced sequences of the file, as long as the model takes them."""
    normalise = Normalise.TEXT8 if options.normalise else Normalise.AS_IS
    whole_text = normalise.apply(read_as_text(options.file))
    text = whole_text[max(0, options.offset) :]
    if not text:
        raise DataError(
            f"{options.file} has {len(whole_text):,} bytes; nothing is left to score "
            f"after --offset {options.offset}. Choose a smaller one."
        )
    ids = model.vocabulary.encode_bytes(text, source=options.file)
    token_ids = torch.from_numpy(ids)
    length = min(model.length, len(token_ids))
    num_sequences = min(options.num_sequences, max(1, len(token_ids) // max(length, 1)))
    return consecutive_crops(token_ids, length, num_sequences)


def build_parser() -> Parser:
    """The options of `unmask score`, those of the sampler apart."""
    parser = Parser(
        "score",
        "Bits per token of a text under the law of a sampler (the exact recursion, for random "
        "orders an upper bound) and under the bound of masked diffusion. Each sequence of D "
        "tokens costs D trunk passes per order, so evenly spaced sequences stand for the file. "
        "A fixed partition costs one for each of its groups; they do not give the bound. The law "
        "of a lossless sampler, that of finished tokens read from left to right, costs one.",
    )
    add_model_options(parser)
    add_tail_option(parser)
    parser.add_argument(
        "file",
        help="Text to score, plain, .gz, .xz or .zip; for a model of sequences FASTA, a table, or "
        "a file of SMILES.",
    )
    parser.add_argument("--num-sequences", type=int, default=8, help="Most sequences to score.")
    parser.add_argument("--num-orders", type=int, default=1, help="Random orders per sequence.")
    parser.add_argument("--offset", type=int, default=0, help="Bytes to skip at the start.")
    parser.add_argument("--batch-size", type=int, default=64, help="Sequences in a pass.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the random orders.")
    parser.add_argument("--normalise", action="store_true", help="Bring into text8's form first.")
    parser.add_argument(
        "--output",
        type=str,
        default="",
        help="New CSV file with the bits of each sequence, of a model of sequences.",
    )
    parser.add_argument(
        "--nearest-in",
        type=str,
        default="",
        metavar="FASTA",
        help="Of proteins: add to --output which sequence of this file is nearest, and its "
        'identity (pip install "unmask[proteins]").',
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser


def _as_json(result: Score, sampler: Any) -> dict[str, Any]:
    return {
        "bits_per_token": result.likelihood.value,
        "standard_error": result.likelihood.standard_error,
        "tightened_bits_per_token": result.tightened.value,
        "tightened_standard_error": result.tightened.standard_error,
        "diffusion_bits_per_token": result.diffusion.value,
        "diffusion_standard_error": result.diffusion.standard_error,
        "num_tokens": result.num_tokens,
        "num_sequences": result.num_sequences,
        "num_orders": result.num_orders,
        "expected_trunk_passes": result.trunk_passes,
        "expected_tail_passes": result.tail_passes,
        "expected_acceptance_rate": result.acceptance_rate,
        "sampler": describe(sampler),
    }


def _as_text(result: Score, sampler: Any) -> str:
    is_exact = isinstance(sampler, StreamLaw) or sampler.order == "left-to-right"

    def line(name: str, bits: BitsPerToken) -> str:
        bound = "" if is_exact else "at most "
        spread = "" if math.isnan(bits.standard_error) else f" +- {bits.standard_error:.4f}"
        return f"{name:<34} {bound}{bits.value:.4f}{spread} bits per token"

    is_known = not math.isnan(result.diffusion.value)
    tightened = f"  mean of {result.num_orders} order(s) in the log"
    cost = (
        f"expected cost of a sequence: {result.trunk_passes:.1f} trunk passes, "
        f"{result.tail_passes:.1f} tail passes; {result.acceptance_rate:.0%} accepted"
    )
    elbo = [line("masked diffusion (ELBO)", result.diffusion)] if is_known else []
    return "\n".join(
        [
            f"{result.num_tokens:,} tokens in {result.num_sequences} sequences, "
            f"{result.num_orders} order(s) each; {sampler}",
            line("the sampler's likelihood", result.likelihood),
            *([] if is_exact else [line(tightened, result.tightened)]),
            *elbo,
            *([] if math.isnan(result.trunk_passes) else [cost]),
        ]
    )
