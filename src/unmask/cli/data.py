"""`unmask data prepare` and `unmask data check`: files made ready for training, once."""

import sys
import time
from collections.abc import Sequence

from jsonargparse import Namespace

from unmask.cli.options.parser import Parser
from unmask.cli.progress import progress
from unmask.data.normalise import Normalise
from unmask.data.prepared import Prepared, Sources, open_prepared, prepare
from unmask.data.sequences import Part
from unmask.errors import ConfigError, did_you_mean
from unmask.vocabularies.named import named_vocabulary
from unmask.vocabularies.vocabulary import Vocabulary

_ACTIONS = ("prepare", "check")


def run(arguments: Sequence[str]) -> int:
    """Prepare or check; the exit status."""
    action, *rest = arguments or ["--help"]
    if action in ("-h", "--help"):
        build_parser().parse(["--help"])
    if action not in _ACTIONS:
        raise ConfigError(
            f"`unmask data` has no {action[:60]!r}.{did_you_mean(action, _ACTIONS)} Choose one "
            f"of: {', '.join(_ACTIONS)}."
        )
    if action == "check":
        return _check(rest)
    options = build_parser().parse(rest)
    if not options.out:
        raise ConfigError("--out is missing: name the folder for the data.")
    of_part: dict[Part, list[str]] = {"valid": options.valid, "test": options.test}
    sources = Sources(
        files=options.files,
        of_part={part: files for part, files in of_part.items() if files},
        clusters=options.clusters,
        column=options.column,
        normalise=Normalise.TEXT8 if options.normalise else Normalise.AS_IS,
        most_bytes=options.most_bytes,
    )
    print(_summary(_prepare(sources, options)))
    return 0


def _prepare(sources: Sources, options: Namespace) -> Prepared:
    start, done = time.monotonic(), 0

    def vocabulary() -> Vocabulary:
        nonlocal start
        name = options.vocabulary or sources.usual_vocabulary() or "text8"
        found = named_vocabulary(name, sources.texts)
        start = time.monotonic()
        return found

    with progress("encoding", None) as advance:

        def observe(num_bytes: int) -> None:
            nonlocal done
            done += num_bytes
            rate = done / max(time.monotonic() - start, 1e-9) / 1e6
            advance(done, f"bytes, {rate:.1f} MB/s")

        found = prepare(sources, options.out, vocabulary, observe=observe)
    seconds = time.monotonic() - start
    said = f"{done:,} bytes of text in {seconds:.1f} s, {done / seconds / 1e6:.1f} MB/s"
    print(said, file=sys.stderr)
    return found


def _check(arguments: Sequence[str]) -> int:
    parser = Parser("data check", "Compare prepared data with the checksums it was written with.")
    parser.add_argument("folder", help="Folder that `unmask data prepare` made.")
    found = open_prepared(parser.parse(arguments).folder)
    found.check()
    print(_summary(found))
    return 0


def _summary(found: Prepared) -> str:
    each = "documents" if found.kind == "text" else "records"
    parts = "; ".join(
        f"{part} {size.num_tokens:,} tokens in {size.num_records:,} {each}"
        for part, size in found.parts.items()
    )
    return f"{found.folder}: {found.vocabulary.describe()}; {parts}"


def build_parser() -> Parser:
    """The options of `unmask data prepare`."""
    parser = Parser(
        "data prepare",
        "Make files ready for training: token ids, in files that are mapped into memory, split "
        "into parts for training, validation and testing, with checksums. Texts (plain, <doc> "
        "files, JSON lines with a text), FASTA, tables of SMILES or sequences, and .smi files; "
        "packed as .gz, .xz or .zip. What was cut short goes on when it is run again. "
        "`unmask data check FOLDER` compares checksums.",
        usage="unmask data prepare FILE [FILE ...] --out FOLDER [options]",
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="Files to learn from; all texts, or all records. Or a dataset of the Hugging Face "
        "hub, or a folder of its files, as a stream: datasets:NAME, datasets:NAME:SPLIT, "
        'datasets:NAME:CONFIG:SPLIT (pip install "unmask[datasets]").',
    )
    parser.add_argument("--out", type=str, default="", help="New folder for the data.")
    parser.add_argument(
        "--vocabulary",
        type=str,
        default="",
        help="What its tokens are, as for `unmask train`. Default: text8's letters; of FASTA "
        "residues, of SMILES atoms and bonds.",
    )
    for part, use in (("valid", "validation"), ("test", "testing")):
        parser.add_argument(
            f"--{part}",
            action="append",
            default=[],
            metavar="FILE",
            help=f"File for {use} alone; then all of the others is for training. May be given "
            "several times.",
        )
    parser.add_argument(
        "--clusters",
        type=str,
        default="",
        help="Two columns, a representative and a member, as MMseqs2 writes them: no cluster is "
        "in two parts, and what is in a cluster with something for validation or testing is left "
        "out of training.",
    )
    parser.add_argument(
        "--column",
        type=str,
        default="",
        help="Of a table or a dataset: which column. Default: smiles, molecule, sequence or text.",
    )
    parser.add_argument(
        "--most-bytes",
        type=int,
        default=None,
        help="Stop when there are as many bytes of text: of a dataset that has no end, say.",
    )
    parser.add_argument("--normalise", action="store_true", help="Bring into text8's form first.")
    return parser
