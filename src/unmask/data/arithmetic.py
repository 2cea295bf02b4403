"""Arithmetic word problems in GSM8K's answer format, made on the spot, at five levels.

    Nora has 12 marbles and gets 7 more from Omar. How many marbles does she have now?
    Nora now has <<12+7=19>>19 marbles.
    #### 19

The *wordings* of a problem are its sentences, names, things and numbers left out
(arithmetic_stories.py, arithmetic_wordings.py); its *equations* are what stands between << and >>.
A tenth of the wordings, of the things and of the pairs of numbers is held out, chosen by a hash;
what everybody knows by heart (the tables, sums up to ten and ten) is not. Problems for training
have nothing held out; problems for testing have a wording, a thing and an equation that are held
out, or those of the three that are asked for.

In a story a result stands three times, and a model whose tokens are hidden at random mostly
copies it from where it is not hidden. A *drill* is bare equations, of which the results alone are
hidden. An answer can be *begun*: written up to any of its parts, with all behind it hidden, as it
is when that part is decoded; and it can be *blanked*: its words given, its numbers not.

The format is that of Cobbe et al. (2021), arXiv:2110.14168.
"""

import re
from dataclasses import dataclass

from unmask.data.arithmetic_numbers import (
    LARGEST_RESULT,
    a_number,
    calculated,
    factors,
    is_held_out_pair,
)
from unmask.data.arithmetic_problems import HELD_OUT, made
from unmask.data.arithmetic_words import Upto
from unmask.draws import numbers
from unmask.errors import ConfigError


@dataclass(frozen=True)
class Level:
    """How many calculations a problem asks for."""

    num_operations: int
    largest_left: int
    """Of the numbers that drills add to or subtract from."""


LEVELS: dict[str, Level] = {
    "single": Level(1, 100),
    "easy": Level(2, 200),
    "medium": Level(3, 290),
    "long": Level(4, 290),
    "hard": Level(5, 290),
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A question, its worked answer, and what it is made of."""

    question: str
    answer: str
    """Reasoning with its calculations marked, then "#### " and the result."""
    result: int
    wordings: tuple[str, ...]
    """Sentences with gaps where names, things and numbers stand."""
    things: tuple[str, ...]
    """What is counted or bought, in the singular."""
    equations: tuple[str, ...]


def problem(level: str, *, seed: int, held_out: bool | frozenset[str] = False) -> Problem:
    """The problem of a level and a seed: for training, or for testing.

    `held_out` says of which kinds of things that training never sees ("wordings", "things",
    "numbers") it has at least one each: of all of them if it is True. It has nothing held out of
    the other kinds.
    """
    if level not in LEVELS:
        raise ConfigError(
            f"there is no level {level!r} of arithmetic. Choose one of: {', '.join(LEVELS)}."
        )
    kinds = held_out if isinstance(held_out, frozenset) else HELD_OUT if held_out else frozenset()
    if unknown := sorted(kinds - HELD_OUT):
        raise ConfigError(
            f"there is nothing called {unknown[0]!r} to hold out. "
            f"Choose of: {', '.join(sorted(HELD_OUT))}."
        )
    found = made(LEVELS[level].num_operations, kinds, _upto(seed))
    return Problem(
        question=found.question,
        answer=found.answer,
        result=found.result,
        wordings=found.wordings,
        things=found.things,
        equations=tuple(
            f"{left}{sign}{right}={calculated(left, sign, right)}"
            for left, sign, right in found.calculations
        ),
    )


def drill(level: str, *, seed: int, held_out: bool = False) -> tuple[str, ...]:
    """Twelve equations, in pieces: one up to its result, the result, the next, ...

    Pairs of numbers that are held out, or none of them. Those of a single operation are the
    numbers that a problem gives; those of more begin with results, too, which are larger.
    """
    largest = LEVELS[level].largest_left
    upto = _upto(seed)
    pieces: list[str] = []
    while len(pieces) < 2 * _NUM_IN_DRILL:
        left, sign, right = _calculation(largest, upto)
        if is_held_out_pair(left, sign, right) == held_out:
            # Behind a space, as in a story: "<<" and " <<" may be different tokens.
            pieces += [f" <<{left}{sign}{right}=", f"{calculated(left, sign, right)}>>"]
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


def as_typed(question: str, *, seed: int) -> str:
    """A question as some visitors type it: in small letters, without its last mark, with a word
    before it or behind; most as they are."""
    kind = seed % 16
    if kind in (0, 1):
        question = question.lower()
    if kind in (1, 2):
        question = question.removesuffix("?").removesuffix(".")
    if kind == 3:
        question = _BEFORE[seed // 16 % len(_BEFORE)] + question
    if kind == 4:
        question += _BEHIND[seed // 16 % len(_BEHIND)]
    return question


_BEFORE = (
    "Hi! ", "Hello, I have a question. ", "Please help me: ", "Quick question: ", "Tell me: ",
    "Can you solve this? ", "Homework: ", "A problem for you. ", "hey, ", "OK. ",
)  # fmt: skip
_BEHIND = (" Thanks!", " Please show the steps.", " Thank you.", " I am not sure.", " please")


def blanked(answer: str) -> tuple[str, ...]:
    """An answer in pieces: words, a number, words, a number, ..., words."""
    return tuple(re.split(r"(\d+)", answer))


def result_of(answer: str) -> str:
    """What an answer says the result is: what follows the last "####", or "" without one."""
    _, mark, result = answer.rpartition("####")
    return result.strip().replace(",", "") if mark else ""


def _upto(seed: int) -> Upto:
    following = numbers(seed).__next__
    return lambda num: int(following() * num)


def _calculation(largest: int, upto: Upto) -> tuple[int, str, int]:
    """Of one sign in two draws a sum or a difference of whatever numbers."""
    sign = "+-+-*/"[upto(6)]
    if sign in "*/":
        first, second = factors(upto, LARGEST_RESULT)
        return (first, "*", second) if sign == "*" else (first * second, "/", second)
    right = a_number(upto) - 1
    if upto(3):
        left = 2 + upto(largest - 1)
    else:
        left = a_number(upto)
    if sign == "+":
        return min(left, LARGEST_RESULT - right), "+", right
    return (left, "-", right) if left > right else (left + right, "-", right)
