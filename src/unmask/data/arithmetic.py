"""Arithmetic word problems in GSM8K's answer format, made on the spot, at four levels.

A story about how many things somebody has: it begins with a number, and every clause changes it.

    Nora has 12 marbles. Omar gives Nora 7 more. How many marbles does Nora have now?
    With those Nora has <<12+7=19>>19 marbles.
    #### 19

The *template* of a problem is its wording, names and numbers left out; its *equations* are what
stands between << and >>. A tenth of the templates is held out, and a tenth of the sums and
differences, chosen by a hash; products of small numbers are facts, which nobody can work out from
others. Problems for training have nothing held out; problems for testing have a template that is
held out and at least one such equation, so neither their wording nor their arithmetic was ever
seen.

In a story a result stands three times, and a model whose tokens are hidden at random mostly
copies it from where it is not hidden. A *drill* is bare equations, of which the results alone are
hidden. An answer can be *begun*: written up to any of its parts, with all behind it hidden, as it
is when that part is decoded; and it can be *blanked*: its words given, its numbers not.

The format is that of Cobbe et al. (2021), arXiv:2110.14168.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from unmask.draws import SeededDraws
from unmask.errors import ConfigError


@dataclass(frozen=True)
class Level:
    """How long a chain of operations is, and how large its numbers grow."""

    num_operations: int
    largest: int
    """Of all numbers."""
    largest_change: int
    """That is added or taken away at once."""
    largest_factor: int


LEVELS: dict[str, Level] = {
    "single": Level(1, 100, largest_change=9, largest_factor=3),
    "easy": Level(2, 100, largest_change=9, largest_factor=3),
    "medium": Level(3, 100, largest_change=20, largest_factor=5),
    "hard": Level(5, 1000, largest_change=500, largest_factor=12),
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A question, its worked answer, and what it is made of."""

    question: str
    answer: str
    """Reasoning with its calculations marked, then "#### " and the result."""
    result: int
    template: str
    equations: tuple[str, ...]


_NAMES = (
    "Nora", "Omar", "Lena", "Hugo", "Maya", "Igor", "Alma", "Theo", "Ruth", "Ivan", "Zoe", "Karl",
)  # fmt: skip
_THINGS = (
    "marbles", "apples", "stamps", "coins", "books", "shells", "cards", "pens", "stones", "cakes",
    "eggs", "toys",
)  # fmt: skip
_STARTS = (
    "{P} has {n} {things}.",
    "{P} starts the day with {n} {things}.",
    "There are {n} {things} on the table of {P}.",
    "In the morning {P} counts {n} {things}.",
)
_CLAUSES = {
    "+": (
        "{Q} gives {P} {n} more.",
        "{P} buys {n} more {things}.",
        "Then {P} finds {n} {things}.",
        "Another {n} {things} arrive for {P}.",
    ),
    "-": (
        "{P} gives {n} of them to {Q}.",
        "{P} loses {n} {things}.",
        "Then {P} sells {n} {things}.",
        "{Q} takes {n} of the {things}.",
    ),
    "*": (
        "{P} works until there are {n} times as many {things}.",
        "Then the {things} of {P} become {n} times as many.",
        "After a trade with {Q} there are {n} times as many.",
    ),
    "/": (
        "{P} puts the {things} into {n} equal bags and keeps one bag.",
        "Then {n} friends share the {things} equally, and {P} is one of them.",
        "{P} keeps one of {n} equal parts and {Q} takes the rest.",
    ),
    "packs": (
        "{P} buys {m} packs of {n} {things}.",
        "{Q} sends {P} {m} boxes with {n} {things} in each.",
        "Then {P} wins {m} bags of {n} {things}.",
    ),
}
_QUESTIONS = (
    "How many {things} does {P} have now?",
    "How many {things} does {P} end up with?",
    "What is the number of {things} that {P} has at the end?",
)
_REASONS = {
    "+": "With those {P} has {sum} {things}.",
    "-": "After that {sum} {things} are left.",
    "*": "That makes {sum} {things}.",
    "/": "One part is {sum} {things}.",
    "packs": "The packs hold {sum} {things}.",
}


def problem(level: str, *, seed: int, held_out: bool = False) -> Problem:
    """The problem of a level and a seed; of those held out, or of those for training."""
    if level not in LEVELS:
        raise ConfigError(
            f"there is no level {level!r} of arithmetic. Choose one of: {', '.join(LEVELS)}."
        )
    numbers = _uniform_numbers(seed)
    while True:
        made = _made(LEVELS[level], numbers)
        is_new = [_is_held_out(text) for text in (made.template, *made.equations)]
        if (is_new[0] and any(is_new[1:])) if held_out else not any(is_new):
            return made


def drill(level: str, *, seed: int, held_out: bool = False) -> tuple[str, ...]:
    """Twelve equations of a level, in pieces: one up to its result, the result, the next, ...

    All are sums and differences that are held out, or none of them is.
    """
    numbers = _uniform_numbers(seed)
    pieces: list[str] = []
    while len(pieces) < 2 * _NUM_IN_DRILL:
        equation = _equation(LEVELS[level], numbers)
        if _is_held_out(equation) == held_out:
            left, _, result = equation.partition("=")
            # Behind a space, as in a story: "<<" and " <<" may be different tokens.
            pieces += [f" <<{left}=", f"{result}>>"]
    return tuple(pieces)


DRILL_QUESTION = "Complete the sums."
"""What a drill is asked for with."""
_NUM_IN_DRILL = 12
_NUM_AT_ONCE = 8


def begun(answer: str, *, seed: int) -> tuple[str, str, str]:
    """An answer up to one of its words, digits or signs; the next one to eight; the rest."""
    words = re.findall(r" ?<<|>>| ?[A-Za-z]+|#+|\n| ?\S", answer)
    first, num = seed % len(words), 1 + seed // len(words) % _NUM_AT_ONCE
    last = first + num
    return "".join(words[:first]), "".join(words[first:last]), "".join(words[last:])


def blanked(answer: str) -> tuple[str, ...]:
    """An answer in pieces: words, a number, words, a number, ..., words."""
    return tuple(re.split(r"(\d+)", answer))


def result_of(answer: str) -> str:
    """What an answer says the result is: what follows the last "####", or "" without one."""
    _, mark, result = answer.rpartition("####")
    return result.strip().replace(",", "") if mark else ""


def _is_held_out(text: str) -> bool:
    """Of a template or an equation."""
    if re.fullmatch(r"\d+[*/]\d+=\d+", text):
        return False
    return hashlib.blake2b(text.encode()).digest()[0] % 10 == 0


def _uniform_numbers(seed: int) -> Iterator[float]:
    draws, where = SeededDraws([seed]), torch.ones(1, 64, dtype=torch.bool)
    while True:
        yield from draws.uniform(where)[0].tolist()


def _upto(numbers: Iterator[float]) -> Callable[[int], int]:
    return lambda num: int(next(numbers) * num)


def _calculated(sign: str, left: int, right: int) -> int:
    if sign == "/":
        return left // right
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def _equation(level: Level, numbers: Iterator[float]) -> str:
    upto = _upto(numbers)
    left = 2 + upto(level.largest - 1)
    sign, given = _change(left, level, 1, upto)
    return f"{left}{sign}{given['n']}={_calculated(sign, left, given['n'])}"


def _made(level: Level, numbers: Iterator[float]) -> Problem:
    upto = _upto(numbers)
    hero, other = upto(len(_NAMES)), upto(len(_NAMES) - 1)
    words = {
        "P": _NAMES[hero],
        "Q": _NAMES[(hero + 1 + other) % len(_NAMES)],
        "things": _THINGS[upto(len(_THINGS))],
    }
    total = 2 + upto(level.largest // 2 - 2)
    story = [(_STARTS[upto(len(_STARTS))], {"n": total})]
    reasons, equations = [], []

    def calculate(sign: str, left: int, right: int, reason: str) -> int:
        result = _calculated(sign, left, right)
        equation = f"{left}{sign}{right}={result}"
        equations.append(equation)
        reasons.append(_REASONS[reason].format(sum=f"<<{equation}>>{result}", **words))
        return result

    while len(equations) < level.num_operations:
        kind, given = _change(total, level, level.num_operations - len(equations), upto)
        story.append((_CLAUSES[kind][upto(len(_CLAUSES[kind]))], given))
        if kind == "packs":
            packed = calculate("*", given["m"], given["n"], "packs")
            total = calculate("+", total, packed, "+")
        else:
            total = calculate(kind, total, given["n"], kind)
    story.append((_QUESTIONS[upto(len(_QUESTIONS))], {}))
    return Problem(
        question=" ".join(clause.format(**words, **given) for clause, given in story),
        answer="\n".join([*reasons, f"#### {total}"]),
        result=total,
        template=" ".join(clause for clause, _ in story),
        equations=tuple(equations),
    )


def _change(
    total: int, level: Level, num_left: int, upto: Callable[[int], int]
) -> tuple[str, dict[str, int]]:
    """An operation that keeps the total a whole number from 1 to the largest."""
    room = level.largest - total
    divisors = [n for n in range(2, level.largest_factor + 1) if total % n == 0 and total > n]
    more, packed = min(room, level.largest_change), min(room, level.largest_change) // 2
    kinds = []
    if room >= 2:
        kinds += ["+", "+"]
    if total >= 3:
        kinds += ["-", "-"]
    if 2 * total <= level.largest:
        kinds.append("*")
    if divisors:
        kinds.append("/")
    if num_left >= 2 and packed >= 2:
        kinds.append("packs")
    kind = kinds[upto(len(kinds))]
    if kind == "+":
        return kind, {"n": 1 + upto(more)}
    if kind == "-":
        return kind, {"n": 1 + upto(min(total - 1, level.largest_change))}
    if kind == "*":
        return kind, {"n": 2 + upto(min(level.largest // total, level.largest_factor) - 1)}
    if kind == "/":
        return kind, {"n": divisors[upto(len(divisors))]}
    num_packs = 2 + upto(min(packed, level.largest_factor) - 1)
    return kind, {"m": num_packs, "n": 2 + upto(min(more // num_packs, 31) - 1)}
