"""`unmask evaluate`: quality against passes and seconds, for samplers side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jsonargparse import Namespace

from unmask.cli.options.exact import add_exact_options, exact_plan, exact_settings
from unmask.cli.options.measure import add_measure_options, settings_of
from unmask.cli.options.model import add_compile_option, add_model_options, known_words, load_model
from unmask.cli.options.parser import Parser
from unmask.cli.options.questions import add_question_options, evaluate_questions
from unmask.cli.progress import progress
from unmask.data.text import Corpus, load_corpus
from unmask.errors import ConfigError
from unmask.evaluation.judge import check_is_judge, judge_bits
from unmask.evaluation.ngrams import crops_like
from unmask.frontier import plots, report
from unmask.frontier.entries import Contender, contenders
from unmask.frontier.evaluate import Plan, evaluate, usual
from unmask.frontier.exact import Yardsticks, measure_exact, yardsticks
from unmask.frontier.families import family_names
from unmask.frontier.folder import ReportFolder, fingerprint, open_folder
from unmask.models.load import load_text_model
from unmask.models.text import Model

_SHIPPED_JUDGE = "text8s-judge"
_TICKS = 1000


def run(arguments: Sequence[str]) -> int:
    """Measure what is not measured yet, and write the report; the exit status."""
    options = build_parser().parse(arguments)
    if options.task:
        return evaluate_questions(options)
    chosen: dict[str, Any] = {}
    if options.samplers:
        chosen["samplers"] = tuple(name.strip() for name in options.samplers.split(","))
    if options.budgets:
        chosen["budgets"] = _numbers(options.budgets)
    plan = Plan(
        num_samples=options.num_samples,
        seed=options.seed,
        batch_size=options.batch_size,
        **chosen,
    )
    exact = exact_plan(options)
    model = load_model(options)
    names, budgets = usual(model)
    plan = replace(plan, **{"samplers": names, "budgets": budgets, **chosen})
    compared = contenders(plan.samplers, model)
    words = known_words(options)
    judge = _judge(options, model)
    corpus = load_corpus(options.data, model.codec) if options.data else None
    held_out = _held_out(corpus, model, plan)
    held_to = yardsticks(model, corpus, exact) if exact and corpus else None
    settings = settings_of(
        options,
        model,
        judge=fingerprint(judge) if judge else "",
        **(exact_settings(exact, corpus) if exact and corpus else {}),
    )
    folder = open_folder(options.out, settings, "auto" if options.resume else "never")
    with progress("evaluating", _TICKS) as advance:
        points = evaluate(
            compared,
            plan,
            folder,
            judge=judge,
            advance=lambda name, budget, share: advance(
                int(share * _TICKS), f"{name} at {budget:g} passes"
            ),
        )
    exact_points = _exact_points(compared, points, held_to, folder, plan)
    made = report.build(
        points,
        words,
        settings,
        held_out=held_out,
        held_out_judged=_judged(judge, held_out),
        exact=exact_points,
        ours=plan.samplers[0],
    )
    report.write(folder, made)
    report.write_trace(folder, compared, points)
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
        f"on. Samplers: {', '.join(family_names())}.",
    )
    add_model_options(parser)
    add_compile_option(parser)
    defaults = Plan()
    parser.add_argument(
        "--samplers",
        type=str,
        default="",
        help="Which, with commas; by default those that suit the model. The cost of the others is "
        "compared with that of the first. SAMPLER@MODEL samples another model, of the same "
        "alphabet and length.",
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
        help=f"Model that scores the samples (recipe text8-judge). auto: {_SHIPPED_JUDGE}, if it "
        "can read them; none. A judge can be added to a report later.",
    )
    parser.add_argument(
        "--data",
        type=str,
        default="",
        help="Text whose validation part is scored beside them; with --task the questions: a file "
        "in the task's layout, or arithmetic:LEVEL.",
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


def _judge(options: Namespace, model: Model) -> Model | None:
    if options.judge == "none":
        return None
    is_chosen = options.judge != "auto"
    judge = load_text_model(options.judge if is_chosen else _SHIPPED_JUDGE, device=options.device)
    check_is_judge(judge.network)
    if judge.codec != model.codec or judge.length < model.length:
        if not is_chosen:
            return None
        raise ConfigError(
            f"the judge {judge.name} reads up to {judge.length} tokens of "
            f"{judge.codec.alphabet!r}, {model.name} writes {model.length} of "
            f"{model.codec.alphabet!r}. Choose a judge that can read all of it."
        )
    return judge


def _exact_points(
    compared: Mapping[str, Contender],
    points: Sequence[dict[str, Any]],
    held_to: Yardsticks | None,
    folder: ReportFolder,
    plan: Plan,
) -> list[dict[str, Any]]:
    if held_to is None:
        return []
    with progress("exact quality", _TICKS) as advance:
        return measure_exact(
            compared,
            points,
            held_to,
            folder,
            num_samples=plan.num_samples,
            seed=plan.seed,
            batch_size=plan.batch_size,
            advance=lambda label, share: advance(int(share * _TICKS), label),
        )


def _held_out(corpus: Corpus | None, model: Model, plan: Plan) -> list[str]:
    """Crops of the validation text, as many and as long as the samples."""
    if corpus is None:
        return []
    text = model.codec.decode(corpus.valid)
    return crops_like([" " * model.length] * plan.num_samples, text)


def _judged(judge: Model | None, texts: Sequence[str]) -> list[float]:
    """The judge's bits per token of each text, all of one length."""
    if judge is None or not texts:
        return []
    token_ids = torch.cat([judge.encode(text) for text in texts])
    return list(judge_bits(judge.network, token_ids).tolist())
