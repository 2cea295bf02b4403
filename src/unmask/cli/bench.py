"""`unmask bench`: what generating costs on this machine."""

from collections.abc import Sequence
from typing import Any

import torch
from jsonargparse import Namespace
from torch import Tensor

from unmask.cli.options.model import (
    add_compile_option,
    add_model_options,
    add_tail_option,
    load_model,
    prepare,
)
from unmask.cli.options.parser import Parser
from unmask.cli.options.sampler import SamplerOptions
from unmask.cli.progress import adding_up, progress
from unmask.errors import ConfigError
from unmask.files.reading import dumps
from unmask.models.lengths import length_of
from unmask.models.text import TextModel, usual_sampler
from unmask.network.config import HybridConfig
from unmask.network.new_hybrid import HybridNetwork, new_hybrid
from unmask.recipes.recipe import preset, preset_names
from unmask.samplers.registry import describe
from unmask.samplers.sampler import Sampler
from unmask.speed.bench import Row, measure
from unmask.speed.machine import machine
from unmask.version import VERSION


def run(arguments: Sequence[str]) -> int:
    """Measure and say; the exit status."""
    parser = build_parser()
    sampler_options = SamplerOptions(parser, arguments)
    options = parser.parse(sampler_options.rest)
    batch_sizes = _numbers(options.batch_sizes, "--batch-sizes")
    threads = _numbers(options.threads, "--threads") if options.threads else []
    model = load_model(options)
    model.check_generates()
    network = _of_recipe(options, model) if options.recipe else model.network
    sampler = sampler_options.build(options, model)
    if not sampler_options.is_chosen:
        sampler = usual_sampler(network.config, sampler_options.filter(options))
    given = _given(options, model, network, max(batch_sizes))
    rows = _timed(network, sampler, given, batch_sizes, threads, options)
    what = {
        "unmask": VERSION,
        "machine": machine(),
        "model": options.recipe or options.model,
        "weights": "random" if options.recipe else "trained",
        "precision": options.precision,
        "length": _shown(given, network.config.vocab_size),
        "sampler": describe(sampler),
        "rounds": options.rounds,
    }
    if options.json:
        found = [{"threads": num_threads, **row.to_json()} for num_threads, row in rows]
        print(dumps({**what, "rows": found}))
    else:
        print(_as_text(what, rows))
    return 0


def _of_recipe(options: Namespace, model: TextModel) -> Any:
    """The network of a recipe, with random weights, where that of the model is."""
    config = preset(options.recipe).model
    if not isinstance(config, HybridConfig) or not config.num_trunk_blocks:
        raise ConfigError(
            f"the recipe {options.recipe} is not of a model that drafts and verifies, so "
            "there is nothing of the kind to time. Choose another."
        )
    network = new_hybrid(config).eval()
    network = network.to(model.network.device, next(model.network.parameters()).dtype)
    prepare(network, options)
    return network


def _given(options: Namespace, model: TextModel, network: HybridNetwork, num: int) -> list[Tensor]:
    """What is given of so many sequences, of a model of sequences their ends."""
    if not options.recipe:
        every = model.given_for(num, options.seed, length=options.length)
        return [one.to(network.device) for one in every]
    most = network.config.length
    length = length_of(options.length, options.seed, usual=None, least=1, most=most)
    return [torch.full((length,), network.config.vocab_size, device=network.device)] * num


def _shown(given: list[Tensor], mask_id: int) -> int | str:
    """How many tokens are generated of each."""
    lengths = [int((one == mask_id).sum()) for one in given]
    shortest, longest = min(lengths), max(lengths)
    return longest if shortest == longest else f"{shortest}-{longest}"


def _timed(
    network: Any,
    sampler: Sampler,
    given: list[Tensor],
    batch_sizes: list[int],
    threads: list[int],
    options: Namespace,
) -> list[tuple[int, Row]]:
    """A row for each number of threads and of sequences, with that number of threads."""
    usual, rows = torch.get_num_threads(), []
    num_turns = 2 * (options.rounds + 1) * len(batch_sizes) * max(1, len(threads))
    with progress("timing", num_turns) as advance:
        add = adding_up(advance, "turns")
        for num_threads in threads or [usual]:
            torch.set_num_threads(num_threads)
            for batch_size in batch_sizes:
                row = measure(
                    network,
                    sampler,
                    length=max(map(len, given)),
                    num_sequences=batch_size,
                    given=given[:batch_size],
                    rounds=options.rounds,
                    seed=options.seed,
                    observe=lambda: add(1),
                )
                rows.append((num_threads, row))
    torch.set_num_threads(usual)
    return rows


def build_parser() -> Parser:
    """The options of `unmask bench`, those of the sampler apart."""
    parser = Parser(
        "bench",
        "Time generation: tokens per second, what a trunk pass and a tail pass take, and what the "
        "sampler adds to its bare network passes, for several numbers of sequences at once. "
        "Turns alternate, and medians are shown; leave the machine alone meanwhile.",
    )
    add_model_options(parser)
    add_tail_option(parser)
    add_compile_option(parser)
    parser.add_argument(
        "--recipe",
        type=str,
        default="",
        help=f"Time the network of a recipe, with random weights: {', '.join(preset_names())}.",
    )
    parser.add_argument(
        "--batch-sizes", type=str, default="1,16,64", help="Sequences at once, with commas."
    )
    parser.add_argument(
        "--threads", type=str, default="", help="Numbers of CPU threads to try, with commas."
    )
    parser.add_argument(
        "--length",
        type=str,
        help="Tokens per sample: 64, or 80-512 for lengths that differ. Default: as many as the "
        "model can; of a model of sequences, as long as those that it learnt from.",
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="Timed rounds; each setting has one turn in each."
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of the first sample.")
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser


def _numbers(text: str, option: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(
            f"{option} takes numbers from 1 on with commas between, such as 1,16,64; got {text!r}."
        )
    return [int(part) for part in parts]


_HEADER = (
    f"{'threads':>7} {'batch':>6} {'tokens/s':>9} {'s':>8} {'NFE':>6} {'trunk':>6} {'tail':>6} "
    f"{'ms/trunk':>9} {'ms/tail':>8} {'x passes':>8} {'peak MB':>8}"
)


def _as_text(what: dict[str, Any], rows: list[tuple[int, Row]]) -> str:
    lines = [
        f"{what['model']} ({what['weights']} weights, {what['precision']}), {what['length']} "
        f"tokens, {what['sampler']['name']}; {what['machine']['device']}, "
        f"torch {what['machine']['torch']}",
        _HEADER,
    ]
    for threads, row in rows:
        lines.append(
            f"{threads:>7} {row.num_sequences:>6} {row.tokens_per_second:>9,.0f} "
            f"{row.seconds:>8.3f} {row.nfe:>6.1f} "
            f"{row.trunk_passes:>6.1f} {row.tail_passes:>6.1f} "
            f"{1e3 * row.trunk_seconds:>9.2f} {1e3 * row.tail_seconds:>8.2f} "
            f"{row.over_passes:>8.3f} {row.peak_memory_bytes / 1e6:>8,.0f}"
        )
    lines.append(
        "ms: one pass of all sequences that take part. x passes: seconds over those of the bare\n"
        "network passes; what is above 1 is the sampler. Medians of turns."
    )
    return "\n".join(lines)
