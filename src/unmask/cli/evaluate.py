"""`unmask evaluate`: quality against passes and seconds, for samplers side by side."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from unmask.cli.model_options import add_model_options, load_model
from unmask.cli.parser import Parser
from unmask.cli.progress import progress
from unmask.data.text import load_corpus
from unmask.errors import ConfigError, DataError
from unmask.evaluation.judge import check_is_judge
from unmask.evaluation.ngrams import crops_like
from unmask.evaluation.words import read_words
from unmask.frontier import plots, report
from unmask.frontier.evaluate import Plan, evaluate
from unmask.frontier.families import FAMILIES
from unmask.frontier.folder import Settings, fingerprint, open_folder
from unmask.model import WORDS_FILE, Model, find_folder, load

_TICKS = 1000


def run(arguments: Sequence[str]) -> int:
    """Measure what is not measured yet, and write the report; the exit status."""
    options = build_parser().parse(arguments)
    plan = Plan(
        samplers=tuple(name.strip() for name in options.samplers.split(",")),
        budgets=_numbers(options.budgets),
        num_samples=options.num_samples,
        seed=options.seed,
        batch_size=options.batch_size,
    )
    model = load_model(options)
    words = _known_words(options)
    judge = _judge(options)
    held_out = _held_out(options, model, plan)
    settings = Settings(
        model=Path(options.model).name,
        weights=fingerprint(model),
        precision=options.precision,
        num_samples=plan.num_samples,
        seed=plan.seed,
        batch_size=plan.batch_size,
        judge=fingerprint(judge) if judge else "",
    )
    folder = open_folder(options.out, settings, "auto" if options.resume else "never")
    with progress("evaluating", _TICKS) as advance:
        points = evaluate(
            model,
            plan,
            folder,
            judge=judge,
            advance=lambda name, budget, share: advance(
                int(share * _TICKS), f"{name} at {budget:g} passes"
            ),
        )
    made = report.build(points, words, settings, held_out=held_out)
    report.write(folder, made)
    report.write_trace(folder, model, points)
    plots.draw_all(folder.path, made)
    print(report.as_markdown(made))
    print(f"report in {folder.path}")
    return 0


def build_parser() -> Parser:
    """The options of `unmask evaluate`."""
    parser = Parser(
        "evaluate",
        "Compare samplers on one model: spelling accuracy, entropies and the bits of a judge "
        "against network passes (NFE) and seconds, with standard errors, plots and the ratios "
        "of cost at equal quality. Every point is kept as soon as it is measured; --resume goes "
        f"on. Samplers: {', '.join(FAMILIES)}.",
    )
    add_model_options(parser)
    defaults = Plan()
    parser.add_argument(
        "--samplers", type=str, default=",".join(defaults.samplers), help="Which, with commas."
    )
    parser.add_argument(
        "--budgets",
        type=str,
        default=",".join(f"{b:g}" for b in defaults.budgets),
        help="Network passes per sample to aim at, with commas.",
    )
    parser.add_argument(
        "--num-samples", type=int, default=defaults.num_samples, help="Per point, at least 16."
    )
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size, help="At a time.")
    parser.add_argument("--seed", type=int, default=0, help="Of the first sample of each point.")
    parser.add_argument("--out", type=str, default="report", help="Folder for the report.")
    parser.add_argument("--resume", action="store_true", help="Go on with the report in --out.")
    parser.add_argument(
        "--words",
        type=str,
        default="",
        help=f"List of known words; else the model's {WORDS_FILE}.",
    )
    parser.add_argument("--judge", type=str, default="", help="Model that scores the samples.")
    parser.add_argument(
        "--data", type=str, default="", help="Text whose validation part is scored beside them."
    )
    return parser


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"--budgets must be numbers with commas between them, got {text!r}. "
            "For example --budgets 8,16,32."
        ) from error


def _known_words(options: Namespace) -> frozenset[str]:
    file = Path(options.words) if options.words else find_folder(options.model) / WORDS_FILE
    if not file.exists():
        raise DataError(
            f"{file} does not exist: spelling is judged by the words of the training text. Make "
            "the list with `unmask words TEXT --out words.xz` and name it with --words."
        )
    return read_words(file)


def _judge(options: Namespace) -> Model | None:
    if not options.judge:
        return None
    judge = load(options.judge, device=options.device)
    check_is_judge(judge.network)
    return judge


def _held_out(options: Namespace, model: Model, plan: Plan) -> list[str]:
    """Crops of the validation text, as many and as long as the samples."""
    if not options.data:
        return []
    text = model.codec.decode(load_corpus(options.data, model.codec).valid)
    return crops_like([" " * model.length] * plan.num_samples, text)
