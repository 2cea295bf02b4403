"""Many prompts at once: from a file or from Python, with a record that can be gone on with.

    {"id": 7, "prompt": "the history of ", "length": 80, "seed": 3, "sampler": "lossless"}
    {"id": 8, "template": "the ____ of"}                  a line of JSON each, or plain lines
    {"id": "q1", "chat": "What is 2 plus 3?", "max_new_tokens": 32}

Sample n of line m has the seed seed + m * num_samples + n unless its line names one, so it is the
same whatever was done before, beside it, or in another run: a record that is gone on with holds
what an uninterrupted one would.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from unmask.draws import check_seed
from unmask.errors import DataError, PromptError, UnmaskError
from unmask.files.parquet import recording, rows_of_record
from unmask.files.reading import loads, read_text
from unmask.models.asked import checked_path
from unmask.models.base import GenerativeModel, Sample
from unmask.samplers.engine import Engine, Request
from unmask.samplers.sampler import Sampler

Chat = str | Sequence[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One line: what is asked for, and what is chosen for it alone."""

    id: str | int
    """Comes back with its samples; lines have different ones."""
    prompt: str = ""
    template: str | None = None
    chat: Chat | None = None
    length: int | str | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    """Of its first sample."""
    sampler: str | None = None
    """A spec; None: that of all."""
    stop: str | Sequence[str] | None = None
    """Strings before which its text ends; None: those of all."""

    def to_json(self) -> dict[str, Any]:
        """What of it was said."""
        own = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in own.items() if value not in (None, "")}


@dataclass(frozen=True)
class Answer:
    """A sample, and the prompt that it is of."""

    prompt: Prompt
    sample: Sample

    def to_json(self) -> dict[str, Any]:
        """The line of a record."""
        return self.prompt.to_json() | self.sample.to_json()


def read_prompts(path: Path | str, *, as_chats: bool = False) -> list[Prompt]:
    """The prompts of a file, a line each; "-" is standard input.

    A line that begins with "{" is JSON; any other is a prompt as it stands, or with `as_chats` a
    question, which is what a large model wants. Lines
    without an id have their number.

    Raises:
        DataError: the file cannot be read, is empty, or a line is none of these: says which.
    """
    path = path if path == "-" else checked_path("a file of prompts", path)
    try:
        text = sys.stdin.read() if str(path) == "-" else read_text(Path(path), most=2**32)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}. Give a file with a prompt on each "
            "line, or - for standard input."
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}). Convert it first.") from error
    lines = enumerate(text.split("\n"), start=1)
    found = [_prompt(line, number, path, as_chats) for number, line in lines if line.strip()]
    if not found:
        raise DataError(f"{path} holds no prompts. Write one on each line.")
    seen: dict[str | int, int] = {}
    for place, each in enumerate(found):
        if each.id in seen:
            raise DataError(
                f"{path}: the id {each.id!r:.60} is that of two prompts, number "
                f"{seen[each.id] + 1} and {place + 1}. Give each its own."
            )
        seen[each.id] = place
    return found


def _prompt(line: str, number: int, path: Path | str, as_chats: bool) -> Prompt:
    place = f"{path}, line {number}"
    if not line.lstrip().startswith("{"):
        text = line.removesuffix("\r")
        return Prompt(id=number, chat=text) if as_chats else Prompt(id=number, prompt=text)
    try:
        values = loads(line)
    except ValueError as error:
        raise DataError(f"{place} is not JSON ({error}).") from error
    known = {each.name: each.type for each in fields(Prompt)}
    for name, value in values.items():
        if name not in known:
            raise DataError(f"{place} has {name!r:.40}; there are: {', '.join(known)}.")
        if not _is_fine(name, value):
            raise DataError(f"{place}: {name} cannot be {value!r:.60}.")
    return Prompt(**{"id": number, **values})


def _is_fine(name: str, value: object) -> bool:
    if value is None:
        return name not in ("id", "prompt")
    if name == "length":
        return type(value) in (int, str)
    if name in ("max_new_tokens", "seed"):
        return type(value) is int
    if name == "id":
        return type(value) in (int, str)
    if name == "stop" and isinstance(value, list):
        return all(isinstance(each, str) and each for each in value)
    if name == "chat" and isinstance(value, list):
        return bool(value) and all(
            isinstance(message, dict) and all(isinstance(v, str) for v in message.values())
            for message in value
        )
    return isinstance(value, str)


def answer_prompts(
    model: GenerativeModel,
    prompts: Sequence[Prompt],
    *,
    sampler: Sampler | str | None = None,
    num_samples: int = 1,
    seed: int = 0,
    batch_size: int = 16,
    stop: str | Sequence[str] = (),
    output: Path | str | None = None,
    resume: bool = False,
    observe: Callable[[int], None] = lambda num_tokens: None,
) -> Iterator[Answer]:
    """Samples of every prompt, as they are finished; batched whatever their lengths and samplers.

    With `output` each is a line of a new file before it is handed out; one that ends in .parquet
    is written when all are there (files/parquet.py). With `resume` that file may
    be there already: what it holds is not worked out again, nor handed out.

    Raises, before anything is generated:
        PromptError: a prompt does not fit the model: says which.
        ConfigError: there is no such sampler, or it cannot work on this model.
        OutputError: the output is there and `resume` is not asked for, or cannot be written to.
    """
    seeds = _seeds(prompts, num_samples, seed)
    given: dict[tuple[int, int], tuple[Tensor, Sampler]] = {}
    for place, each in enumerate(prompts):
        try:
            every = model.given_for(
                num_samples,
                seeds[place, 0],
                prompt=each.prompt,
                template=each.template,
                length=each.length,
                chat=each.chat,
                max_new_tokens=each.max_new_tokens,
            )
            ends = stop if each.stop is None else each.stop
            chosen = model.samplers_for(every, each.sampler or sampler, ends)
        except UnmaskError as error:
            raise type(error)(f"prompt {each.id!r:.60}: {error}") from error
        for n, one in enumerate(zip(every, chosen, strict=True)):
            given[place, n] = one
    done = _done(output, prompts, seeds) if resume and output is not None else set()
    wanted = [place for place in seeds if place not in done]
    return _answers(model, prompts, given, seeds, wanted, output, resume, batch_size, observe)


def _seeds(prompts: Sequence[Prompt], num_samples: int, seed: int) -> dict[tuple[int, int], int]:
    """Of sample n of prompt m, by (m, n)."""
    found: dict[tuple[int, int], int] = {}
    for place, each in enumerate(prompts):
        first = seed + place * num_samples if each.seed is None else each.seed
        check_seed(first, num_samples)
        found |= {(place, n): first + n for n in range(num_samples)}
    return found


def _done(
    output: Path | str, prompts: Sequence[Prompt], seeds: Mapping[tuple[int, int], int]
) -> set[tuple[int, int]]:
    """What the record holds already. Raises `PromptError` if it is one of other prompts."""
    by_id: dict[str | int, int] = {each.id: place for place, each in enumerate(prompts)}
    for later, each in enumerate(prompts):  # beside texts a number is one in Parquet
        by_id.setdefault(str(each.id), later)
    places = {(place, seed): (place, n) for (place, n), seed in seeds.items()}
    found = set()
    for number, row in enumerate(rows_of_record(Path(output)), start=1):
        place: int | None = by_id.get(row.get("id", ""))
        known = None if place is None else places.get((place, row.get("seed", "")))
        asked = {} if place is None else prompts[place].to_json()
        if known is None or any(
            row.get(name) != asked[name] for name in asked if name not in ("seed", "id")
        ):
            raise PromptError(
                f"{output}, line {number} is of another prompt, or of another seed, than those "
                "that are given. Go on with the prompts and the seed that it was begun with, or "
                "choose another --output."
            )
        found.add(known)
    return found


def _answers(
    model: GenerativeModel,
    prompts: Sequence[Prompt],
    given: Mapping[tuple[int, int], tuple[Tensor, Sampler]],
    seeds: Mapping[tuple[int, int], int],
    wanted: Sequence[tuple[int, int]],
    output: Path | str | None,
    resume: bool,
    batch_size: int,
    observe: Callable[[int], None],
) -> Iterator[Answer]:
    def requests() -> Iterator[Request]:
        for place, n in wanted:
            given_ids, sampler = given[place, n]
            yield Request(given_ids=given_ids, sampler=sampler, seed=seeds[place, n])

    engine = Engine(
        model.predictor,
        num_slots=batch_size,
        observe=lambda state, cost, numbers: observe(int(cost.num_revealed.sum())),
    )
    advice = "What it holds is whole; make room and go on with --resume."
    file = (
        nullcontext()
        if output is None
        else recording(Path(output), is_new=not resume, advice=advice)
    )
    with file as write_row:
        for result in engine.run(requests()):
            place, _ = wanted[result.number]
            answer = Answer(prompts[place], model.sample_of(result))
            if write_row is not None:
                write_row(answer.to_json())
            yield answer
