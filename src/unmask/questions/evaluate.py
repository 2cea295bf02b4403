"""Decoders of a large model on the same questions: asked, recorded, compared.

    settings.json    what was asked, of whom
    records/         the answers, a line as soon as one is there (answering.py)
    report.json, report.md, accuracy_*.png    the comparison (answer_report.py)

A run that was killed goes on where it was; one with other settings is refused.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask.data.questions import (
    Question,
    QuestionProtocol,
    arithmetic_questions,
    protocol,
    read_questions,
)
from unmask.errors import ConfigError
from unmask.files.tensors import weights_fingerprint
from unmask.frontier.folder import fingerprint, open_report
from unmask.models.chat import ChatModel
from unmask.questions import answer_report
from unmask.questions.answering import Answered, Examples, Records, answer_all, prompts
from unmask.questions.decoders import asked, decoder, drafts, is_of_drafter
from unmask.samplers.sampler import Sampler
from unmask.samplers.spec import split_specs
from unmask.speed.machine import machine
from unmask.version import VERSION

ARITHMETIC = "arithmetic:"
DECODERS = ("one-by-one", "threshold", "threshold+dual", "draft-verify/confidence/shadow")
"""What is compared if nothing is said."""
_FORMAT = "unmask-answers-1"
_LATER_SETTINGS = {
    "drafter": "",
    "drafter_weights": "",
    "tail_weights": "",
    "block_length": 32,
    "num_fewshot": 0,
    "fewshot": "",
}
"""What a report says that was written before there were such things."""

Questions = str | Path | Sequence[Question] | Sequence[tuple[str, str]]
"""A file in the task's layout, arithmetic:LEVEL, or questions with their answers."""
Note = Callable[[int, int, str], None]
"""Told how many answers there are by now, of how many, and which decoder gives them."""


def answer(
    model: ChatModel,
    questions: Questions,
    *,
    out: Path | str,
    decoders: str | Iterable[str] = DECODERS,
    task: str = "gsm8k",
    protocol_name: str = "",
    members: str = "",
    num_questions: int = 500,
    max_new_tokens: int | None = None,
    block_length: int | None = None,
    num_fewshot: int = 0,
    fewshot: Questions = "",
    fewshot_members: str = "",
    batch_size: int = 16,
    seed: int = 0,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    observe: Note = lambda num_done, num_all, name: None,
) -> dict[str, Any]:
    """Ask what is not answered yet, write the report in `out`, and return it as JSON has it.

    Args:
        model: with a drafter (`drafted_by`) and a tail (`with_tail`) if decoders want them.
        questions: a file in the layout of `task`, "arithmetic:easy", or pairs of question and
            answer.
        decoders: their names or specs (decoders.py); the first is the reference.
        task: gsm8k or mmlu: how questions are put, and answers read (`protocol_name`: otherwise).
        members: of a folder or a .zip, only files whose names begin so.
        num_questions: the first of them, at least 2.
        max_new_tokens: room for an answer; None is what the model says, else 128.
        block_length: tokens of a block of the decoders; None is what the model says, else 32.
        num_fewshot: examples shown with their answers, as turns of the chat before each question.
        fewshot: where they are from: the training file of the task. Of arithmetic:LEVEL without
            one, problems of that level which nothing is held out of.
        fewshot_members: as `members`, of that.
        batch_size: answers worked out at once, which changes none of them.
        seed: of made questions, and of the first answer.
        resume: go on with the report in `out`.
        settings: what else tells this run from others.
        observe: told how far it is.

    Raises:
        ConfigError: no such decoder, task or level, or one that cannot work on this model.
        DataError: the questions cannot be read.
        PromptError: a question leaves no room for its answer.
        OutputError: `out` holds another report, or cannot be written to.
    """
    chosen = protocol(task, protocol_name)
    if num_questions < 2:
        raise ConfigError(
            f"--num-questions must be at least 2, got {num_questions}: an interval needs "
            "that many."
        )
    names = split_specs(decoders) if isinstance(decoders, str) else list(decoders)
    _check_names(names, has_drafter=model.roles.drafter is not model.roles.verifier)
    found, data = _found(questions, task, members, num_questions, seed)
    examples = _examples(questions, task, fewshot, fewshot_members, num_fewshot, seed)
    work = _Work(
        model,
        found,
        chosen,
        room=model.defaults.max_new_tokens if max_new_tokens is None else max_new_tokens,
        block=model.defaults.block_length if block_length is None else block_length,
        batch_size=batch_size,
        seed=seed,
        examples=examples,
    )
    made = work.decoders(names)
    prompts(model, found, chosen, work.room, examples)  # before anything is written
    described = {
        **work.settings(),
        "task": task,
        "protocol": chosen.name,
        "data": data,
        **(settings or {}),
    }
    folder = Path(out)
    open_report(
        folder,
        {"format": _FORMAT, **described},
        "auto" if resume else "never",
        # More questions than before, or fewer: which they are, the records know.
        lambda before: {**_LATER_SETTINGS, **before, "num_questions": described["num_questions"]},
    )
    answers = {}
    for place, name in enumerate(names):

        def note(num_done: int, place: int = place, name: str = name) -> None:
            observe(place * len(found) + num_done, len(names) * len(found), name)

        answers[name] = work.answers(name, made[name], folder, note)
    report = answer_report.build(
        answers,
        {
            "unmask": VERSION,
            "machine": machine(),
            **described,
            "drafter_share": model.drafter_share,
            "drafter_pair_share": model.roles.drafter_pair_share,
            "tail_share": model.tail_share,
        },
        seed=seed,
    )
    answer_report.write(folder, report)
    return report


@dataclass(frozen=True)
class _Work:
    """A model, and the questions put to it."""

    model: ChatModel
    questions: Sequence[Question]
    protocol: QuestionProtocol
    room: int
    block: int
    batch_size: int
    seed: int
    examples: Examples

    def decoders(self, names: Sequence[str]) -> dict[str, Sampler]:
        """Each by its name, for the model as it asks it."""
        return {
            name: decoder(name, asked(name, self.model), self.room, self.block) for name in names
        }

    def settings(self) -> dict[str, Any]:
        """What makes two reports comparable."""
        model = self.model
        has_drafter = model.roles.drafter is not model.roles.verifier
        return {
            "model": Path(model.name).name,
            "weights": fingerprint(model),
            "drafter": "",
            "drafter_weights": weights_fingerprint(model.roles.drafter) if has_drafter else "",
            "tail_weights": weights_fingerprint(model.network) if model.has_tail else "",
            "precision": str(next(model.network.parameters()).dtype).removeprefix("torch."),
            "num_questions": len(self.questions),
            "block_length": self.block,
            "max_new_tokens": self.room,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "num_fewshot": self.examples.num,
            "fewshot": self.examples.fingerprint,
        }

    def answers(
        self, name: str, sampler: Sampler, folder: Path, note: Callable[[int], None]
    ) -> list[Answered]:
        """Those of one decoder, each recorded as soon as it is there."""
        return answer_all(
            asked(name, self.model),
            self.questions,
            self.protocol,
            sampler,
            Records(record_file(folder, name)),
            max_new_tokens=self.room,
            batch_size=self.batch_size,
            seed=self.seed,
            is_drafter=is_of_drafter(name),
            examples=self.examples,
            advance=note,
        )


def _check_names(names: Sequence[str], *, has_drafter: bool) -> None:
    files = [_file_name(name) for name in names]
    if twice := sorted({name for name in names if files.count(_file_name(name)) > 1}):
        raise ConfigError(f"the decoder {twice[0]!r} is named twice. Name each once.")
    if has_drafter and not any(drafts(name) or is_of_drafter(name) for name in names):
        raise ConfigError(
            "--drafter names a model that drafts, and none of the --decoders verifies. Add "
            "draft-verify to them."
        )
    if not has_drafter and any(map(is_of_drafter, names)):
        raise ConfigError(
            "a decoder of the drafter alone needs one: name it with --drafter, or leave the "
            "decoder out."
        )


def record_file(folder: Path, decoder_name: str) -> Path:
    """Where a report has the answers of one decoder."""
    return folder / "records" / f"{_file_name(decoder_name)}.jsonl"


def _file_name(decoder_name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", decoder_name.replace("/", "-")).strip("-")


def _found(
    questions: Questions, task: str, members: str, num: int, seed: int
) -> tuple[Sequence[Question], str]:
    """The first of the questions, and where they are from."""
    if not isinstance(questions, str | Path):
        pairs = [q if isinstance(q, Question) else Question(*q) for q in questions]
        if len(pairs) < 2:
            raise ConfigError(f"an interval needs at least 2 questions, got {len(pairs)}.")
        return pairs[:num], "given"
    place = str(questions)
    if not place:
        raise ConfigError(
            "--data is missing: name a file of questions in the task's layout, or "
            f"{ARITHMETIC}easy."
        )
    if place.startswith(ARITHMETIC):
        if members:
            raise ConfigError(
                f"--members chooses among files, and {place} has none: its questions are "
                "made on the spot. Leave it out."
            )
        return arithmetic_questions(place.removeprefix(ARITHMETIC), num, seed), place
    name = Path(place).name + (f", {members}" if members else "")
    return read_questions(task, place, members)[:num], name


def _examples(
    questions: Questions, task: str, fewshot: Questions, members: str, num: int, seed: int
) -> Examples:
    if num < 0:
        raise ConfigError(f"--num-fewshot must be at least 0, got {num}.")
    if not num:
        return Examples()
    if fewshot:
        pool, name = _found(fewshot, task, members, _MOST_EXAMPLES, seed)
    elif isinstance(questions, str) and questions.startswith(ARITHMETIC):
        level = questions.removeprefix(ARITHMETIC)
        pool, name = arithmetic_questions(level, num, seed, held_out=False), questions
    else:
        raise ConfigError(
            "--num-fewshot shows examples with their answers: name the file they are from with "
            "--fewshot-data, the task's training file, say."
        )
    if len(pool) < num:
        raise ConfigError(
            f"--num-fewshot {num} examples were asked for, and {name} has {len(pool)}."
        )
    return Examples(pool, num)


_MOST_EXAMPLES = 10_000
"""Of a training file, that are looked at."""
