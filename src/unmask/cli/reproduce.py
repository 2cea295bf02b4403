"""`unmask reproduce`: an experiment of the paper, run again; its figures beside ours."""

from collections.abc import Sequence

from jsonargparse import Namespace

from unmask.cli.options.measure import add_measure_options, settings_of
from unmask.cli.options.model import add_device_options, known_words, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.progress import progress
from unmask.errors import ConfigError
from unmask.frontier import reproduce
from unmask.frontier.folder import open_folder
from unmask.quality.texts import TextQuality

_EXPERIMENTS = ("text8",)
_SHIPPED = "text8s-any"
_TICKS = 1000
_DEFAULTS = reproduce.ReproductionPlan()


def run(arguments: Sequence[str]) -> int:
    """Measure what is not measured yet, and compare; the exit status."""
    options = build_parser().parse(arguments)
    if options.experiment not in _EXPERIMENTS:
        raise ConfigError(
            f"there is no experiment {options.experiment!r} to reproduce. Choose from: "
            f"{', '.join(_EXPERIMENTS)}."
        )
    plan = reproduce.ReproductionPlan(
        num_samples=options.num_samples, seed=options.seed, batch_size=options.batch_size
    )
    options.model = _model_name(options)
    model = load_model(options)
    quality = TextQuality(known_words(options))
    folder = open_folder(
        options.out, settings_of(options, model), "auto" if options.resume else "never"
    )
    with progress("reproducing", _TICKS) as advance:
        points = reproduce.measure_text8(
            model,
            plan,
            folder,
            baseline=_baseline(options),
            advance=lambda share, note: advance(int(share * _TICKS), note),
        )
    compared = reproduce.compare_text8(model, points, quality, plan)
    reproduce.write(folder, compared)
    print(reproduce.as_markdown(compared))
    print(f"reproduction in {folder.path}")
    return 0


def build_parser() -> Parser:
    """The options of `unmask reproduce`."""
    parser = Parser(
        "reproduce",
        "Run an experiment of the paper (arXiv:2510.03929) again, setting by setting, and print "
        "its figures beside ours. text8: spelling accuracy against network passes (NFE) in the "
        "paper's six settings, and the NFE of masked diffusion at equal accuracy. Each setting "
        "is kept as soon as it is measured; --resume goes on.",
    )
    parser.add_argument("experiment", help=f"One of: {', '.join(_EXPERIMENTS)}.")
    parser.add_argument(
        "--scale",
        choices=["small", "paper"],
        default="small",
        help=f"small: the shipped {_SHIPPED}, some minutes on two cores. paper: a network of the "
        "paper's size, which you train and name with --model.",
    )
    parser.add_argument("--model", type=str, help="A model folder; its words.xz judges spelling.")
    parser.add_argument(
        "--baseline",
        type=str,
        default="trunk",
        help="Model of masked diffusion, all its blocks non-causal (recipe text8-noncausal); "
        "trunk: of the model measured.",
    )
    add_device_options(parser)
    add_measure_options(
        parser,
        num_samples=_DEFAULTS.num_samples,
        batch_size=_DEFAULTS.batch_size,
        of="each setting",
    )
    parser.add_argument("--out", type=str, default="reproduction", help="Folder for the results.")
    parser.add_argument("--resume", action="store_true", help="Go on with what is in --out.")
    return parser


def _model_name(options: Namespace) -> str:
    if options.model:
        return str(options.model)
    if options.scale == "small":
        return _SHIPPED
    raise ConfigError(
        "--scale paper needs a network of the paper's size, and none ships: train it with "
        "`unmask train text8-paper --data text8.zip --out DIR`, then name it with --model DIR."
    )


def _baseline(options: Namespace) -> str:
    """The name of a model, or "" for the trunk of the one measured."""
    return "" if options.baseline == "trunk" else str(options.baseline)
