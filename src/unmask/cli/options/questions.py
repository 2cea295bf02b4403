"""`unmask evaluate MODEL --task TASK`: decoders of a large model on the same questions."""

from pathlib import Path

from jsonargparse import Namespace

from unmask.cli.options.model import add_drafter_option, add_tail_option, load_any_model
from unmask.cli.options.parser import Parser
from unmask.cli.progress import progress
from unmask.data.questions import (
    PROTOCOLS,
    Question,
    arithmetic_questions,
    protocol,
    read_questions,
)
from unmask.errors import ConfigError
from unmask.files.tensors import weights_fingerprint
from unmask.frontier.folder import fingerprint, open_report
from unmask.models.chat import LargeModel
from unmask.questions import answer_report
from unmask.questions.answering import Records, answer_all, prompts
from unmask.questions.decoders import asked, decoder, drafts, is_of_drafter
from unmask.speed.machine import machine
from unmask.version import VERSION

_ARITHMETIC = "arithmetic:"
_FORMAT = "unmask-answers-1"
_LATER_SETTINGS = {
    "drafter": "",
    "drafter_weights": "",
    "tail_weights": "",
    "block_length": 32,
}
"""What a report says that was written before there were such things."""


def add_question_options(parser: Parser) -> None:
    """--task and what goes with it."""
    parser.add_argument(
        "--task",
        type=str,
        default="",
        help=f"Ask a large model questions and compare its decoders: {', '.join(PROTOCOLS)}.",
    )
    parser.add_argument(
        "--decoders",
        type=str,
        default="one-by-one,threshold,threshold+dual,draft-verify/confidence/shadow",
        help="Which, with commas; the first is the reference.",
    )
    parser.add_argument(
        "--members",
        type=str,
        default="",
        help="Of --data, a folder or a .zip, only files whose names begin so: test/ of MMLU.",
    )
    add_drafter_option(parser)
    add_tail_option(parser)
    parser.add_argument("--protocol", type=str, default="", help="How questions are put.")
    parser.add_argument("--num-questions", type=int, default=500, help="The first so many.")
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        default=0,
        help="Room for an answer. 0: as is usual for the model, else 128.",
    )
    parser.add_argument(
        "--block-length",
        type=int,
        default=0,
        help="Tokens of a block of the decoders. 0: as is usual for the model, else 32.",
    )


def evaluate_questions(options: Namespace) -> int:
    """Ask what is not answered yet, and write the report; the exit status."""
    chosen = protocol(options.task, options.protocol)
    if options.num_questions < 2:
        raise ConfigError(
            f"--num-questions must be at least 2, got {options.num_questions}: an interval needs "
            "that many."
        )
    questions = _questions(options)
    names = [name.strip() for name in options.decoders.split(",")]
    if options.drafter and not any(drafts(name) or is_of_drafter(name) for name in names):
        raise ConfigError(
            "--drafter names a model that drafts, and none of the --decoders verifies. Add "
            "draft-verify to them."
        )
    if not options.drafter and any(map(is_of_drafter, names)):
        raise ConfigError(
            "a decoder of the drafter alone needs one: name it with --drafter, or leave the "
            "decoder out."
        )
    model = load_any_model(options)
    if not isinstance(model, LargeModel):
        raise ConfigError(
            f"{options.model} continues text and answers no questions. Name a large model, or "
            "leave --task out."
        )
    models = {name: asked(name, model) for name in names}
    room = options.max_new_tokens or model.usual.max_new_tokens
    block = options.block_length or model.usual.block_length
    decoders = {name: decoder(name, models[name], room, block) for name in names}
    prompts(model, questions, chosen, room)  # before anything is written
    settings = {
        "model": Path(options.model).name,
        "weights": fingerprint(model),
        "drafter": Path(options.drafter).name if options.drafter else "",
        "drafter_weights": weights_fingerprint(model.drafter) if options.drafter else "",
        "tail_weights": weights_fingerprint(model.network) if model.has_tail else "",
        "precision": options.precision,
        "task": options.task,
        "protocol": chosen.name,
        "data": Path(options.data).name + (f", {options.members}" if options.members else ""),
        "num_questions": len(questions),
        "block_length": block,
        "max_new_tokens": room,
        "seed": options.seed,
        "batch_size": options.batch_size,
    }
    folder = Path(options.out)
    open_report(
        folder,
        {"format": _FORMAT, **settings},
        "auto" if options.resume else "never",
        lambda found: {**_LATER_SETTINGS, **found},
    )
    answers = {}
    with progress("answering", len(names) * len(questions)) as advance:
        for place, (name, sampler) in enumerate(decoders.items()):

            def note(num_done: int, place: int = place, name: str = name) -> None:
                advance(place * len(questions) + num_done, name)

            answers[name] = answer_all(
                models[name],
                questions,
                chosen,
                sampler,
                Records(folder / "records" / f"{name.replace('/', '-')}.jsonl"),
                max_new_tokens=room,
                batch_size=options.batch_size,
                seed=options.seed,
                is_drafter=is_of_drafter(name),
                advance=note,
            )
    report = answer_report.build(
        answers,
        {
            "unmask": VERSION,
            "machine": machine(),
            **settings,
            "drafter_share": model.drafter_share,
            "drafter_pair_share": model.drafter_pair_share,
            "tail_share": model.tail_share,
        },
        seed=options.seed,
    )
    answer_report.write(folder, report)
    print(answer_report.as_markdown(report))
    print(f"report in {folder}")
    return 0


def _questions(options: Namespace) -> list[Question]:
    if not options.data:
        raise ConfigError(
            "--data is missing: name a file of questions in the task's layout, or "
            f"{_ARITHMETIC}easy."
        )
    if options.data.startswith(_ARITHMETIC):
        if options.members:
            raise ConfigError(
                f"--members chooses among files, and {options.data} has none: its questions are "
                "made on the spot. Leave it out."
            )
        level = options.data.removeprefix(_ARITHMETIC)
        return arithmetic_questions(level, options.num_questions, options.seed)
    return read_questions(options.task, options.data, options.members)[: options.num_questions]
