"""Questions with answers that can be checked: GSM8K's JSONL, MMLU's CSV.

    GSM8K   {"question": ..., "answer": "reasoning ... #### 42"} on each line
    MMLU    question, four choices, and the right one: as a letter without a header row (the
            original files), or as 0..3 under the header question,choice0,...,choice3,answer

What a model's answer says (`said`) is found by the rule of the protocol that asked it; it counts
if it is the reference, by the same rule (reading_answers.py).

Sources: Cobbe et al. (2021), arXiv:2110.14168; Hendrycks et al. (2021), arXiv:2009.03300. The
protocols of answers alone are those of Goyal et al. (2026), arXiv:2604.05250 (their code).
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from unmask.data.arithmetic import problem, result_of
from unmask.data.files import members, read_bytes
from unmask.data.reading_answers import letter_in, number_in, value_of
from unmask.draws import stream_seed
from unmask.errors import ConfigError, DataError
from unmask.files.reading import loads

_LETTERS = "ABCD"


@dataclass(frozen=True)
class Question:
    """One question, and what is right."""

    text: str
    reference: str
    """A number, or the letter of a choice."""
    worked: str = ""
    """The answer as it is written, with its reasoning; "" where there is only the reference."""
    subject: str = ""
    """What it is about, where files are of one subject each."""


def _short_answer(question: Question) -> str:
    return f"Answer: {question.reference}"


def _worked_answer(question: Question) -> str:
    return question.worked or f"#### {question.reference}"


def examples_for(question: Question, pool: Sequence[Question], num: int) -> list[Question]:
    """The first of a pool, those of the question's subject before others, never itself."""
    others = [each for each in pool if each.text != question.text]
    return sorted(others, key=lambda each: each.subject != question.subject)[:num]


@dataclass(frozen=True)
class QuestionProtocol:
    """How questions are put to a model, and how its answers are read."""

    name: str
    ask: Callable[[str], str]
    """The message to the model."""
    said: Callable[[str], str]
    """What an answer says; "" if it says nothing."""
    value: Callable[[str], str] = value_of
    """What is compared of what is said, and of the reference."""
    show: Callable[[Question], str] = _short_answer
    """The answer of a question that is an example."""

    def turns(self, question: Question, examples: Sequence[Question]) -> list[dict[str, str]]:
        """A chat that asks it, behind examples with their answers."""
        shown = [(self.ask(each.text), self.show(each)) for each in examples]
        before = [
            {"role": role, "content": text}
            for turn in shown
            for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
        return [*before, {"role": "user", "content": self.ask(question.text)}]

    def is_right(self, question: Question, answer: str) -> bool:
        """Whether an answer says what is right: a number by its value."""
        said = self.said(answer)
        return bool(said) and self.value(said) == self.value(question.reference)


def read_gsm8k(path: Path | str, member: str | None = None) -> list[Question]:
    """The questions of a file in GSM8K's layout. Raises `DataError`, with the line."""
    questions, place = [], _place(path, member)
    for number, line in enumerate(_text(path, member).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry: Any = loads(line)
            question, answer = (_checked(entry[name]) for name in ("question", "answer"))
            reference = result_of(answer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{place}, line {number}: not a question of GSM8K ({error!r}). A line is a JSON "
                'object {"question": ..., "answer": "... #### 42"}.'
            ) from error
        if not value_of(reference):
            raise DataError(
                f'{place}, line {number}: the answer has no "#### " with a number behind it.'
            )
        questions.append(Question(question, reference, answer))
    return _some(questions, place)


def _checked(text: object) -> str:
    """A text that can be put to a model. Raises `ValueError`."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"it must be a text, and is {text!r:.60}")
    text.encode()  # half of a surrogate pair is no text
    return text


def read_mmlu(path: Path | str, member: str | None = None) -> list[Question]:
    """The questions of a CSV file in MMLU's layout. Raises `DataError`, with the row."""
    questions, place = [], _place(path, member)
    for number, row in enumerate(_rows(path, member), start=1):
        if number == 1 and row and row[0] == "question":
            continue
        if not row:
            continue
        right = row[-1].strip().upper()
        if right in ("0", "1", "2", "3"):
            right = _LETTERS[int(right)]
        if len(row) != 6 or right not in tuple(_LETTERS):
            raise DataError(
                f"{place}, row {number}: not a question of MMLU. A row has the question, four "
                "choices, and A to D or 0 to 3."
            )
        choices = [f"{letter}. {row[1 + n]}" for n, letter in enumerate(_LETTERS)]
        questions.append(Question("\n".join([row[0], *choices]), right))
    return _some(questions, place)


def _rows(path: Path | str, member: str | None) -> Iterator[list[str]]:
    csv.field_size_limit(2**24)
    try:
        yield from csv.reader(io.StringIO(_text(path, member), newline=""))
    except csv.Error as error:
        raise DataError(f"{_place(path, member)} is not a CSV file ({error}).") from error


def read_questions(task: str, path: Path | str, beginning: str = "") -> list[Question]:
    """The questions of a file, or of those in a folder or a .zip, one of each file in turn.

    MMLU has a file for each subject: so the first hundred questions are of many subjects.
    `beginning` leaves out files whose names, as they are in there, begin otherwise.
    Raises `DataError`.
    """
    names = members(path)
    chosen = [name for name in names if name.startswith(beginning)]
    if not chosen:
        raise DataError(
            f"{path} has no file whose name begins with {beginning!r}. The first of {len(names)} "
            f"is {names[0]!r}."
            if names
            else f"{path} holds no files."
        )
    read = READERS[task]
    is_folder = Path(path).is_dir()
    files = [read(Path(path) / name) if is_folder else read(path, name or None) for name in chosen]
    of_subjects = [
        [replace(question, subject=_subject(name)) for question in file]
        for name, file in zip(chosen, files, strict=True)
    ]
    return [question for each in zip_longest(*of_subjects) for question in each if question]


def _subject(name: str) -> str:
    """Of a file such as test/abstract_algebra_test.csv: abstract_algebra."""
    return re.sub(r"_(dev|val|test|train)$", "", Path(name).stem) if name else ""


def arithmetic_questions(
    level: str, num: int, seed: int = 0, held_out: bool | frozenset[str] = True
) -> list[Question]:
    """Problems of a level, held out in the ways named (data/arithmetic.py)."""
    made = [
        problem(level, seed=stream_seed(seed, _ARITHMETIC, number), held_out=held_out)
        for number in range(num)
    ]
    return [Question(each.question, str(each.result), each.answer) for each in made]


_ARITHMETIC = 0x6172  # tells the seeds of these problems from those that validate a training run

READERS = {"gsm8k": read_gsm8k, "mmlu": read_mmlu}
"""How a task's files are read, by its name on the command line."""


def _worked(text: str) -> str:
    """The number behind "####", which GSM8K's own answers end with; else as in any answer."""
    return number_in(result_of(text)) or number_in(text)


PROTOCOLS: dict[str, tuple[QuestionProtocol, ...]] = {
    "gsm8k": (
        QuestionProtocol("worked", lambda text: text, _worked, show=_worked_answer),
        QuestionProtocol(
            "answer-only",
            lambda text: (
                f"{text}\n\nGive the final number alone, as 'Answer: <number>', without "
                "steps or explanation."
            ),
            number_in,
        ),
    ),
    "mmlu": (
        QuestionProtocol(
            "letter",
            lambda text: (
                f"{text}\n\nGive the letter of the right choice alone, as "
                "'Answer: <letter>', without steps."
            ),
            letter_in,
            value=str.upper,
        ),
    ),
}
"""The protocols of each task, the usual one first."""


def protocol(task: str, name: str = "") -> QuestionProtocol:
    """A protocol by name; the usual one without. Raises `ConfigError`."""
    if task not in PROTOCOLS:
        raise ConfigError(f"there is no task {task!r}. Choose one of: {', '.join(PROTOCOLS)}.")
    named = {each.name: each for each in PROTOCOLS[task]}
    if name and name not in named:
        raise ConfigError(
            f"the task {task} has no protocol {name!r}. Choose one of: {', '.join(named)}."
        )
    return named[name] if name else PROTOCOLS[task][0]


def _text(path: Path | str, member: str | None) -> str:
    try:
        return read_bytes(path, member).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{_place(path, member)} is not UTF-8 text ({error}). Convert it first."
        ) from error


def _place(path: Path | str, member: str | None) -> str:
    return f"{path}, member {member}" if member else str(path)


def _some(questions: list[Question], place: str) -> list[Question]:
    if not questions:
        raise DataError(f"{place} holds no questions.")
    return questions
