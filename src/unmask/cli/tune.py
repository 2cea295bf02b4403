"""`unmask tune`: the window and verify rounds that meet a goal, and what they give."""

from collections.abc import Sequence
from typing import Any, get_args

from jsonargparse import Namespace

from unmask.cli.options.measure import add_measure_options
from unmask.cli.options.model import add_model_options, add_tail_option, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.progress import progress
from unmask.errors import ConfigError
from unmask.files.reading import dumps
from unmask.quality.of_model import quality_of, read_real_data
from unmask.quality.quality import Measure
from unmask.quality.texts import SPELLING
from unmask.samplers.common.ordered_state import OrderChoice
from unmask.speed.machine import machine
from unmask.tuning.search import Goal, MaxNFE, TargetQuality
from unmask.tuning.tune import SearchPlan, Tuned, tune
from unmask.version import VERSION

_DEFAULTS = SearchPlan()


def run(arguments: Sequence[str]) -> int:
    """Search, measure and say; the exit status."""
    options = build_parser().parse(arguments)
    goal = _goal(options)
    plan = SearchPlan(
        order=options.order,
        num_samples=options.num_samples,
        seed=options.seed,
        batch_size=options.batch_size,
        max_seconds=options.max_seconds,
    )
    model = load_model(options)
    quality = quality_of(model, read_real_data(options.data, model), words=options.words)
    _check_goal(goal, quality.main)
    with progress("tuning", _usual_work(plan)) as advance:
        found = tune(
            model,
            goal,
            quality,
            plan,
            advance=lambda done, setting: advance(min(done, _usual_work(plan)), str(setting)),
        )
    shown = (
        _as_json(found, goal, options) if options.json else _as_text(found, options, quality.main)
    )
    print(shown)
    return 0


def build_parser() -> Parser:
    """The options of `unmask tune`."""
    parser = Parser(
        "tune",
        "Find the window and verify rounds (N) of the model's sampler that meet a "
        "goal: --max-nfe asks for the best spelling accuracy within so many network passes per "
        "sample, one after the other, --target-quality for the fewest passes with that accuracy. "
        "Many settings are "
        "measured a little, few a lot; what is reported of the one that is found comes from "
        "fresh samples, so it is no lucky draw. About as long as 1,000 samples take.",
    )
    add_model_options(parser)
    add_tail_option(parser)
    parser.add_argument("--max-nfe", type=float, help="Most network passes per sample (NFE).")
    parser.add_argument(
        "--target-quality",
        type=float,
        help="Least spelling accuracy, above 0 and at most 1; of a model of sequences the most "
        "bits per letter under a chain.",
    )
    parser.add_argument(
        "--data",
        type=str,
        default="",
        help="Text or sequences that the model learnt from, to which its samples are held.",
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=_DEFAULTS.max_seconds,
        help="Seconds after which no further setting is tried; the best by then is measured.",
    )
    parser.add_argument(
        "--order",
        choices=list(get_args(OrderChoice)),
        help="Order in which positions are revealed, of every setting (docs/samplers.md); by "
        "default random, or left-to-right where the trunk is causal.",
    )
    add_measure_options(
        parser,
        num_samples=_DEFAULTS.num_samples,
        batch_size=_DEFAULTS.batch_size,
        of="the setting that is found",
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object.")
    return parser


def _goal(options: Namespace) -> Goal:
    if (options.max_nfe is None) == (options.target_quality is None):
        raise ConfigError(
            "tune needs one goal: either --max-nfe, such as 24, or --target-quality, such as 0.6."
        )
    if options.max_nfe is not None:
        if not options.max_nfe > 0:
            raise ConfigError(f"--max-nfe must be above 0, got {options.max_nfe:g}.")
        return MaxNFE(options.max_nfe)
    return TargetQuality(options.target_quality)


def _check_goal(goal: Goal, main: Measure) -> None:
    if main == SPELLING and isinstance(goal, TargetQuality) and not 0 < goal.target <= 1:
        raise ConfigError(
            f"--target-quality is a share of words, above 0 and at most 1; got {goal.target:g}."
        )


def _usual_work(plan: SearchPlan) -> int:
    """Samples that a search takes as a rule; where it ends is not known beforehand."""
    return 700 + plan.num_samples


def _command(found: Tuned, options: Namespace) -> str:
    return f"unmask generate {options.model} {found.setting.options}"


def _as_json(found: Tuned, goal: Goal, options: Namespace) -> str:
    return dumps(
        {
            "unmask": VERSION,
            "machine": machine(),
            "goal": vars(goal),
            "model": options.model,
            "precision": options.precision,
            "command": _command(found, options),
            "setting": vars(found.setting),
            **{name: found.point[name] for name in ("sampler", "seed", "num_samples")},
            "numbers": found.point["numbers"],
            "acceptance_rate": found.point["acceptance_rate"],
            "search": {
                "num_settings": found.num_settings,
                "num_samples": found.num_samples,
                "seconds": found.seconds,
            },
        }
    )


def _as_text(found: Tuned, options: Namespace, main: Measure) -> str:
    numbers: dict[str, Any] = found.point["numbers"]

    def figure(name: str, digits: int) -> str:
        number = numbers[name]
        return f"{number['value']:.{digits}f} ± {number['standard_error']:.{digits}f}"

    last_seed = options.seed + found.point["num_samples"] - 1
    return "\n".join(
        [
            f"{found.setting}",
            f"  {main.label:<17}  {figure(main.name, 3)}",
            f"  passes in turn     {figure('critical_path', 2)}",
            f"  NFE                {figure('nfe', 2)}",
            f"  trunk passes       {figure('trunk_passes', 2)}",
            f"  tail passes        {figure('tail_passes', 2)}",
            f"  seconds a sample   {figure('seconds', 3)}",
            f"on {found.point['num_samples']} fresh samples, seeds {options.seed} to {last_seed}; "
            f"the search took {found.num_samples:,} samples of {found.num_settings} settings in "
            f"{found.seconds:.0f} s.",
            f"Use it: {_command(found, options)}",
        ]
    )
