"""`unmask variants`: what mutations do to a protein."""

import csv
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from unmask.cli.options.model import add_model_options, add_tail_option, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.progress import adding_up, progress
from unmask.data.records import read_records
from unmask.errors import ConfigError, DataError, OutputError
from unmask.files.atomic import replacing
from unmask.files.reading import read_text
from unmask.models.text import TextModel
from unmask.proteins.variants import (
    Variant,
    check_reads_proteins,
    masked_marginals,
    own_law_effects,
    rank_correlation,
    read_variant,
    wild_type,
)
from unmask.samplers.likelihood import TractableSampler, law_of, num_passes

_COLUMNS = ("mutation", "mutations", "variant", "mutant")


def run(arguments: Sequence[str]) -> int:
    """Rank; the exit status."""
    options = build_parser().parse(arguments)
    if not options.output:
        raise ConfigError("--output is missing: name a new CSV file for the effects.")
    if Path(options.output).exists():
        raise OutputError(
            f"{options.output} already exists and is left as it is. Choose another --output."
        )
    if options.num_orders < 1:
        raise ConfigError(f"--num-orders must be at least 1, got {options.num_orders}.")
    model = load_model(options)
    check_reads_proteins(model)
    sequence = _sequence(options, model)
    variants = _variants(options.mutations, sequence)
    columns = {"masked_marginal_bits": _marginals(model, sequence, variants)}
    if options.own_law:
        columns["own_law_bits"] = _own_law(model, sequence, variants, options)
    path = Path(options.output)
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as table:
        rows = csv.writer(table)
        rows.writerow(["mutation", *columns])
        for variant, *bits in zip(variants, *columns.values(), strict=True):
            rows.writerow([variant.name, *(f"{each:.6f}" for each in bits)])
    print(_summary(options.output, variants, columns))
    return 0


def _sequence(options: Namespace, model: TextModel) -> str:
    """The first protein of the file."""
    records = read_records(options.sequence)
    if records is None:
        raise DataError(
            f"{options.sequence} is no FASTA file: a line with > stands before each sequence."
        )
    first = next(records.each, None)
    if first is None:
        raise DataError(f"{options.sequence} has no sequence.")
    return wild_type(model, first)


def _variants(path: str, sequence: str) -> list[Variant]:
    """Those of a CSV file with a column of mutations, or of a file with one on each line."""
    try:
        lines = read_text(Path(path)).splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
    rows = list(csv.reader(lines))
    names = [name.strip().lower() for name in rows[0]] if rows else []
    column = next((names.index(name) for name in _COLUMNS if name in names), None)
    first = 0 if column is None else 1
    found = [
        read_variant(row[column or 0], sequence, f"{path}, line {number}")
        for number, row in enumerate(rows[first:], start=first + 1)
        if any(each.strip() for each in row)
    ]
    if not found:
        raise DataError(f"{path} has no mutation. Write one on each line, such as A23V.")
    return found


def _marginals(model: TextModel, sequence: str, variants: list[Variant]) -> list[float]:
    places = {tuple(sorted(m.position for m in each.mutations)) for each in variants}
    with progress("masked marginals", len(places)) as advance:
        observe = adding_up(advance, "passes")
        return masked_marginals(model, sequence, variants, observe=observe)


def _own_law(
    model: TextModel, sequence: str, variants: list[Variant], options: Namespace
) -> list[float]:
    sampler = model.default_sampler
    if not isinstance(sampler, TractableSampler):
        raise ConfigError(
            f"{model.name} has no tail, so no law of its own beside its masked marginals. Train "
            f"one: unmask train adapt --trunk {model.name} --data FASTA."
        )
    length = len(model.encode(sequence)[0])
    passes = num_passes(law_of(sampler, length), length) * options.num_orders
    with progress("own law", passes * (len(variants) + 1)) as advance:
        return own_law_effects(
            model,
            sequence,
            variants,
            sampler,
            num_orders=options.num_orders,
            seed=options.seed,
            observe=adding_up(advance, "passes"),
        )


def _summary(path: str, variants: list[Variant], columns: dict[str, list[float]]) -> str:
    best = sorted(zip(columns["masked_marginal_bits"], variants, strict=True), key=lambda n: -n[0])
    shown = ", ".join(f"{each.name} {bits:+.2f}" for bits, each in best[:3])
    said = f"{path}: {len(variants)} variants; best by masked marginals {shown} bits"
    if len(columns) > 1 and len(variants) > 2:
        said += f"; the two rank alike by {rank_correlation(*columns.values()):.2f} (Spearman)"
    return said


def build_parser() -> Parser:
    """The options of `unmask variants`."""
    parser = Parser(
        "variants",
        "Rank mutations of a protein. Masked marginals: how much more probable the mutant is than "
        "the wild type at the mutated positions, given the rest; a pass for each place. With "
        "--own-law also the whole mutant under the likelihood of the model's sampler, which takes "
        "about as many passes as there are residues, for each mutation. In bits; above 0 the "
        "model likes the mutant better.",
        usage="unmask variants MODEL SEQUENCE.fasta MUTATIONS.csv --output EFFECTS.csv [options]",
    )
    add_model_options(parser)
    add_tail_option(parser)
    parser.add_argument("sequence", help="FASTA file; its first sequence is the wild type.")
    parser.add_argument(
        "mutations",
        help="CSV with a column mutation, or a file with one on each line: A23V, or A23V:K30R "
        "for both at once; positions counted from 1.",
    )
    parser.add_argument("--output", type=str, default="", help="New CSV file for the effects.")
    parser.add_argument("--own-law", action="store_true", help="Also under the model's own law.")
    parser.add_argument(
        "--num-orders", type=int, default=1, help="Of --own-law: random orders, shared by all."
    )
    parser.add_argument("--seed", type=int, default=0, help="Of --own-law: seed of the orders.")
    return parser
