"""`unmask generate`: text from a model, with what it cost."""

import math
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from unmask.cli.options.decoding import DecodingOptions, add_whole_canvas_option
from unmask.cli.options.model import (
    add_by_text_option,
    add_compile_option,
    add_drafter_option,
    add_model_options,
    add_tail_option,
    load_any_model,
)
from unmask.cli.options.parser import Parser
from unmask.cli.progress import adding_up, progress
from unmask.cli.prompt_file import add_prompt_file_options, check_prompt_file, generate_prompts
from unmask.cost import mean as mean_cost
from unmask.data.records import FASTA_SUFFIXES
from unmask.errors import OutputError
from unmask.files.line_file import growing
from unmask.files.parquet import recording
from unmask.files.reading import dumps
from unmask.models.base import Sample
from unmask.models.chat import ChatModel
from unmask.models.load import load
from unmask.models.text import TextModel
from unmask.samplers.sampler import Sampler
from unmask.speed.memory import peak_bytes, restart_peak
from unmask.vocabularies.residues import Residues


def run(arguments: Sequence[str]) -> int:
    """Generate; the exit status."""
    parser = build_parser()
    decoding = DecodingOptions(parser, arguments)
    options = parser.parse(decoding.rest)
    check_prompt_file(options)
    if options.trace and Path(options.trace).exists():
        raise OutputError(
            f"{options.trace} already exists and is left as it is. Choose another --trace."
        )
    model = load_any_model(options)
    sampler = decoding.build(options, model)
    if options.prompts is not None:
        return generate_prompts(options, model, sampler)
    samples = _generated(options, model, sampler)
    if options.trace:
        _write_page(options.trace, model, sampler, options)
    if not options.json:
        print(_summary(samples))
        if isinstance(model, ChatModel):
            print(_speed(samples, model.network.device))
    if not arguments:
        _first_look()
    return 0


def _generated(options: Namespace, model: TextModel | ChatModel, sampler: Sampler) -> list[Sample]:
    """The samples of one prompt, each written as soon as it is finished."""
    device, num_samples = model.network.device, options.num_samples
    if num_samples is None:
        num_samples = 1 if options.chat else 4
    asked = {"prompt": options.prompt, "template": options.template, "length": options.length}
    given = model.given_for(num_samples, options.seed, **asked, **_chat(options))
    num_wanted = sum(int((one == model.vocab_size).sum()) for one in given)
    samples = []
    with progress("generating", num_wanted) as advance:
        finished = model.samples(
            sampler,
            given,
            seed=options.seed,
            batch_size=options.batch_size,
            stop=options.stop,
            observe=adding_up(advance, "tokens"),
        )
        restart_peak(device)
        with _output(options.output, model, is_json=options.json) as tell:
            for sample in finished:
                samples.append(sample)
                tell(sample, device)
    return samples


def _chat(options: Namespace) -> dict[str, Any]:
    """What only large models take, if it was given."""
    chosen = {"chat": options.chat, "max_new_tokens": options.max_new_tokens}
    return {name: value for name, value in chosen.items() if value is not None}


def build_parser() -> Parser:
    """The options of `unmask generate`, those of the sampler apart."""
    parser = Parser(
        "generate",
        "Generate text. The default sampler is the model's: text8s writes several characters a "
        "cycle by the law of a left-to-right model (lossless), text8s-any drafts a window and "
        "verifies it with the causal tail of the same network (self-speculative). Options of a "
        "sampler need its name before them. Sample n has the "
        "seed SEED + n and is the same whatever the batch; samples come as they are finished. A "
        "large model answers --chat, by default greedily and in blocks, up to the end of its "
        "answer (docs/large-models.md).",
    )
    add_model_options(parser)
    add_compile_option(parser)
    parser.add_argument(
        "--num-samples",
        type=int,
        default=None,
        help="How many to generate: by default 4 texts, or 1 answer to a chat.",
    )
    parser.add_argument(
        "--batch-size",
        type=int,
        default=16,
        help="Samples under way at a time; changes the speed only.",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="Seed of the first sample; the next has the next."
    )
    parser.add_argument("--prompt", type=str, default="", help="Text to continue.")
    parser.add_argument(
        "--template",
        type=str,
        help="A text to fill in, with _ for each blank, or with <mask> where the model's tokens "
        "are bytes or pieces of text.",
    )
    parser.add_argument(
        "--length",
        type=str,
        help="Tokens per sample, prompt included: 120, or 80-200 for any of these. Default: as "
        "many as the model can; of a model of sequences of any length, as long as those that it "
        "learnt from.",
    )
    parser.add_argument("--chat", type=str, help="A question to a large model.")
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        help="Tokens of room for a large model's answer. Default: what its folder says, else 128.",
    )
    parser.add_argument(
        "--stop",
        action="append",
        default=[],
        metavar="TEXT",
        help="End each text before this, without passes for what would stand behind; may be given "
        r"several times. In bash $'\n' is the end of a line.",
    )
    add_whole_canvas_option(parser)
    add_drafter_option(parser)
    add_by_text_option(parser)
    add_tail_option(parser)
    add_prompt_file_options(parser)
    parser.add_argument(
        "--output",
        type=str,
        help="New file for the samples, a JSON each line; or FILE.parquet; or of a model of "
        "proteins FILE.fasta.",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object per sample.")
    parser.add_argument(
        "--trace",
        type=str,
        metavar="FILE.html",
        help="New file for a page that shows, in a browser, how the first sample comes about.",
    )
    return parser


def _write_page(
    path: str, model: TextModel | ChatModel, sampler: Sampler, options: Namespace
) -> None:
    page = model.trace(
        options.prompt,
        sampler=sampler,
        seed=options.seed,
        template=options.template,
        length=options.length,
        stop=options.stop,
        **_chat(options),
    )
    with growing(Path(path), is_new=True, advice="Make room and run again.") as write_line:
        write_line(page)
    said = f"{path} shows how seed {options.seed} came about: open it in a browser."
    print(said, file=sys.stderr)


def _first_look() -> None:
    """What is generated here, and what else there is to try: for who just types the command."""
    filled = load("text8s-any").infill(_TEMPLATE)
    print(
        f"\ntext8s-any fills in {_TEMPLATE!r}: {filled.text!r}. Both models know 26 letters and a "
        "space, and have 5.6 million weights, a twentieth of the smallest GPT-2: they spell most "
        "words and mean little. Their cards, and larger models: `unmask models`, "
        "docs/large-models.md."
        "\nTo watch a generation: unmask generate --trace page.html",
        file=sys.stderr,
    )


_TEMPLATE = "the ____ of the ____ was ______"


@contextmanager
def _output(
    path: str | None, model: TextModel | ChatModel, *, is_json: bool
) -> Iterator[Callable[[Sample, torch.device], None]]:
    """How to tell of a sample: on standard output, or as a row of a new file."""
    if path is None:
        yield lambda sample, device: print(
            dumps(_row(sample, device)) if is_json else _as_text(sample), flush=True
        )
        return
    advice = (
        "Its samples are whole; make room and generate the rest, from a later --seed, into "
        "another file."
    )
    if Path(path).suffix in FASTA_SUFFIXES and _writes_proteins(model):
        with growing(Path(path), is_new=True, advice=advice) as write_line:
            yield lambda sample, device: write_line(_as_fasta(sample))
        return
    with recording(Path(path), is_new=True, advice=advice) as write_row:
        yield lambda sample, device: write_row(_row(sample, device))


def _writes_proteins(model: TextModel | ChatModel) -> bool:
    return isinstance(model, TextModel) and isinstance(model.vocabulary, Residues)


def _as_fasta(sample: Sample) -> str:
    """A record, with the seed that makes it again."""
    return f">seed{sample.seed} length={len(sample.text)} nfe={sample.nfe:.2f}\n" + "\n".join(
        textwrap.wrap(sample.text, 60)
    )


def _row(sample: Sample, device: torch.device) -> dict[str, Any]:
    peak = peak_bytes(device)
    return {
        **sample.to_json(),
        "peak_memory_bytes": None if math.isnan(peak) else peak,
        "peak_memory_of": "device" if device.type == "cuda" else "process",
    }


def _as_text(sample: Sample) -> str:
    return f"--- seed {sample.seed} {_cost([sample])}\n{sample.text}"


def _cost(samples: list[Sample]) -> str:
    def mean(name: str) -> float:
        found: float = sum(getattr(sample, name) for sample in samples) / len(samples)
        return found

    cost = mean_cost(sample.cost for sample in samples)
    drafter = f"{cost.drafter.passes:.1f} drafter passes, " if cost.drafter.passes else ""
    is_verified = cost.tail.passes or cost.drafter.passes or cost.rejected
    accepted = f"{mean('acceptance_rate'):.0%} of the tokens accepted drafts, "
    return (
        f"{cost.trunk.passes:.1f} trunk passes, {cost.tail.passes:.1f} tail passes, "
        f"{drafter}{mean('nfe'):.1f} NFE, {accepted if is_verified else ''}"
        f"{mean('seconds'):.2f} s"
    )


def _summary(samples: list[Sample]) -> str:
    num_tokens = sum(sample.accepted + sample.rejected for sample in samples)
    nfe = sum(sample.nfe for sample in samples)
    return (
        f"=== {len(samples)} samples, mean cost: {_cost(samples)}\n"
        f"    {num_tokens:,} tokens, {num_tokens / nfe:.1f} per NFE, "
        f"with {torch.get_num_threads()} threads"
    )


def _speed(samples: list[Sample], device: torch.device) -> str:
    speed = sum(sample.tokens_per_second for sample in samples) / len(samples)
    peak = peak_bytes(device)
    place = "allocated on the device" if device.type == "cuda" else "held by this process"
    memory = "" if math.isnan(peak) else f"; at most {peak / 1e9:.2f} GB {place}"
    return f"    {speed:,.1f} tokens per second and answer, up to its end, prompt apart{memory}"
