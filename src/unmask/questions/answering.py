"""Questions put to a large model, with a record of each answer.

    records/DECODER.jsonl    a line per question: what was said, whether it is right, what it cost

A line is written when its answer is there, so a run that is killed goes on where it was.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from unmask.cost import Cost, Costed, Work
from unmask.data.questions import Question, QuestionProtocol, examples_for
from unmask.errors import ConfigError, PromptError
from unmask.files import json_lines
from unmask.files.atomic import make_folder
from unmask.models.chat import ChatModel
from unmask.samplers.engine import Engine, Request
from unmask.samplers.sampler import Sampler


@dataclass(frozen=True, kw_only=True)
class Answered(Costed):
    """One question's answer, and its cost."""

    number: int
    is_right: bool
    said: str
    text: str
    num_tokens: int
    """Up to where the answer ends, the prompt not counted."""
    cost: Cost[int]
    seconds: float
    """Its share of the time of its passes."""
    num_positions: int = 0
    """Of the sequence, prompt and canvas."""
    question: str = ""
    """Which question it is of: the beginning of its SHA-256."""

    def to_json(self) -> dict[str, Any]:
        """Flat, as it stands in a file of records."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "cost"}
        return own | self.cost.to_json()

    @staticmethod
    def of_json(values: dict[str, Any]) -> "Answered":
        """What `to_json` made. Raises `TypeError` if something is missing or unknown."""
        cost = Cost.of_json(values)
        numbers = [values.get("number"), values.get("num_tokens"), *cost.to_json().values()]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise TypeError("a number is none")
        own = {name: value for name, value in values.items() if name not in cost.to_json()}
        return Answered(**own, cost=cost)


@dataclass(frozen=True)
class Records:
    """The answers of one decoder, in a file."""

    file: Path

    def read(self) -> list[Answered]:
        """Those there are; a line cut short by a crash is left out."""
        found = []
        for row in json_lines.read(self.file):
            try:
                found.append(Answered.of_json(row))
            except TypeError:
                continue
        return sorted(found, key=lambda each: each.number)

    def drop_cut_line(self) -> None:
        """Write the file anew without what a crash left; the next line would be glued to it."""
        json_lines.write(self.file, [each.to_json() for each in self.read()])

    def append(self, answered: Answered) -> None:
        """Add one. Raises `OutputError` if it cannot be written."""
        json_lines.append(
            self.file,
            answered.to_json(),
            advice="What it holds is whole; make room and go on with --resume.",
        )


@dataclass(frozen=True)
class Examples:
    """Questions that are shown with their answers before another is asked: few shots."""

    pool: Sequence[Question] = ()
    num: int = 0
    """Of the pool, before each question."""

    @property
    def fingerprint(self) -> str:
        """Of what is shown; "" for nothing."""
        if not self.num:
            return ""
        text = "\0".join(f"{each.text}\0{each.worked}" for each in self.pool)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def prompts(
    model: ChatModel,
    questions: Sequence[Question],
    protocol: QuestionProtocol,
    max_new_tokens: int,
    examples: Examples = Examples(),
) -> list[Tensor]:
    """Each question with room for its answer. Raises `PromptError` if one leaves none."""
    found = []
    for number, question in enumerate(questions, start=1):
        shown = examples_for(question, examples.pool, examples.num)
        try:
            found.append(
                model.given_ids(
                    chat=protocol.turns(question, shown), max_new_tokens=max_new_tokens
                )
            )
        except PromptError as error:
            fewer = " Or show fewer examples (--num-fewshot)." if shown else ""
            raise PromptError(f"question {number}: {error}{fewer}") from error
    return found


def _mark(question: Question) -> str:
    return hashlib.sha256(f"{question.text}\0{question.reference}".encode()).hexdigest()[:12]


def _check_same_questions(
    before: Sequence[Answered], questions: Sequence[Question], file: Path
) -> None:
    for each in before:
        is_known = each.number < len(questions) and each.question
        if is_known and each.question != _mark(questions[each.number]):
            raise ConfigError(
                f"{file} answers another question {each.number + 1} than the one that is asked "
                "now: the questions have changed. Choose another --out."
            )


def answer_all(
    model: ChatModel,
    questions: Sequence[Question],
    protocol: QuestionProtocol,
    sampler: Sampler,
    records: Records,
    *,
    max_new_tokens: int,
    batch_size: int = 16,
    seed: int = 0,
    is_drafter: bool = False,
    examples: Examples = Examples(),
    advance: Callable[[int], None] = lambda num_done: None,
) -> list[Answered]:
    """Answer what is not answered yet; all answers, in the order of the questions.

    `is_drafter`: the model is one that drafts for another, and its passes are put down as such.

    Raises:
        PromptError: a question leaves no room for its answer.
        OutputError: a record could not be written.
        ConfigError: the records are of other questions.
    """
    make_folder(records.file.parent)
    records.drop_cut_line()
    before = records.read()
    _check_same_questions(before, questions, records.file)
    done = {each.number for each in before}
    given = prompts(model, questions, protocol, max_new_tokens, examples)

    def requests() -> Iterator[Request]:
        for number, given_ids in enumerate(given):
            if number not in done:
                yield Request(given_ids=given_ids, sampler=sampler, seed=seed + number)

    num_done = len(done)
    engine = Engine(model.predictor, num_slots=batch_size)
    for result in engine.run(requests()):
        number = result.request.seed - seed
        new_ids = result.token_ids[-max_new_tokens:].cpu()
        text = model.text_of(new_ids)
        cost = result.cost
        if is_drafter:
            cost = replace(cost, trunk=Work.none(), drafter=cost.trunk)
        records.append(
            Answered(
                number=number,
                is_right=protocol.is_right(questions[number], text),
                said=protocol.said(text),
                text=text,
                num_tokens=model.num_before_end(new_ids),
                cost=cost,
                seconds=result.busy_seconds,
                num_positions=len(result.token_ids),
                question=_mark(questions[number]),
            )
        )
        num_done += 1
        advance(num_done)
    return [each for each in records.read() if each.number < len(questions)]
