"""`unmask evaluate MODEL --task TASK`: decoders of a large model on the same questions."""

from pathlib import Path

from jsonargparse import Namespace

from unmask.cli.options.model import add_drafter_option, add_tail_option, load_any_model
from unmask.cli.options.parser import Parser
from unmask.cli.progress import progress
from unmask.data.questions import PROTOCOLS, protocol
from unmask.errors import ConfigError
from unmask.models.chat import ChatModel
from unmask.questions import answer_report
from unmask.questions.evaluate import DECODERS, answer

_TICKS = 1000


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
        default=",".join(DECODERS),
        help="Decoders to compare, with commas, by name or as a spec such as "
        "'threshold(threshold=0.95)+dual'; the first is the reference.",
    )
    parser.add_argument(
        "--members",
        type=str,
        default="",
        help="Where --data is a folder or a .zip: only files whose names begin so (MMLU: test/).",
    )
    add_drafter_option(parser)
    add_tail_option(parser)
    parser.add_argument(
        "--protocol",
        type=str,
        default="",
        help="How questions are put and answers read: worked, answer-only, letter. Default: the "
        "task's own.",
    )
    parser.add_argument(
        "--num-questions", type=int, default=500, help="How many questions, from the first."
    )
    parser.add_argument(
        "--num-fewshot",
        type=int,
        default=0,
        help="Examples shown with their answers before each question, as turns of the chat.",
    )
    parser.add_argument(
        "--fewshot-data",
        type=str,
        default="",
        help="Where examples are from: the task's training file. Of arithmetic:LEVEL none is "
        "needed. MMLU: the same .zip, with --fewshot-members dev/.",
    )
    parser.add_argument(
        "--fewshot-members", type=str, default="", help="As --members, of --fewshot-data."
    )
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        help="Tokens of room for an answer. Default: what the model's folder says, else 128.",
    )
    parser.add_argument(
        "--block-length",
        type=int,
        help="Tokens in a block of the decoders. Default: what the model's folder says, else 32.",
    )


def evaluate_questions(options: Namespace) -> int:
    """Ask what is not answered yet, and write the report; the exit status."""
    protocol(options.task, options.protocol)  # a wrong one is told before a model is read
    model = load_any_model(options)
    if not isinstance(model, ChatModel):
        raise ConfigError(
            f"{options.model} continues text and answers no questions. Name a large model, or "
            "leave --task out."
        )
    with progress("answering", _TICKS) as advance:
        report = answer(
            model,
            options.data,
            out=options.out,
            decoders=options.decoders,
            task=options.task,
            protocol_name=options.protocol,
            members=options.members,
            num_questions=options.num_questions,
            max_new_tokens=options.max_new_tokens,
            block_length=options.block_length,
            num_fewshot=options.num_fewshot,
            fewshot=options.fewshot_data,
            fewshot_members=options.fewshot_members,
            batch_size=options.batch_size,
            seed=options.seed,
            resume=options.resume,
            settings={
                "model": Path(options.model).name,
                "drafter": Path(options.drafter).name if options.drafter else "",
                "precision": options.precision,
            },
            observe=lambda num, of, name: advance(
                int(num / of * _TICKS), f"{name}, {num:,} of {of:,}"
            ),
        )
    print(answer_report.as_markdown(report))
    print(f"report in {options.out}")
    return 0
