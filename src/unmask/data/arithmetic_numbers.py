"""The numbers of arithmetic problems: steps of calculation, and numbers that suit them.

A step is written as "a+b", with the name of its result behind "=" where a later step needs it:
"m*n=p; T+p". T is what a story has come to. Behind it may stand its role, which chooses the words
of the answer, and "@" with what is counted: "T/n groups @box".

A tenth of the sums and differences, and of the products and quotients beyond the tables up to
twelve, is held out, chosen by a hash. What stands in the tables, and sums and differences up to
ten, are facts, which nobody can work out from others: those are for training.
"""

import re
from dataclasses import dataclass
from functools import cache

from unmask.data.arithmetic_words import Upto, is_hashed_out

LARGEST = 100
"""Of the numbers that a problem gives; but for numbers to be divided."""
LARGEST_DIVIDED = 144
LARGEST_RESULT = 300
_TABLE = 12
_KNOWN_SUMS = 10


@dataclass(frozen=True)
class Step:
    """One calculation; each side is a name or a number."""

    left: str | int
    sign: str
    right: str | int
    result: str
    role: str
    unit: str
    """What is counted; "" if it is what the problem is about."""


_ROLES = {"+": "sum", "-": "left", "*": "product", "/": "each"}


@cache
def read_steps(text: str) -> tuple[Step, ...]:
    """Steps as they are written."""
    steps = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        found = re.fullmatch(r"(\w+)([-+*/])(\w+)(?:=(\w+))?(?: (\w+))?(?: @([\w$]+))?", part)
        assert found, part
        left, sign, right, result, role, unit = found.groups()
        if not role:
            # A half of something is no share of somebody's.
            role = "product" if sign == "/" and right.isdigit() else _ROLES[sign]
        steps.append(Step(_side(left), sign, _side(right), result or "T", role, unit or ""))
    return tuple(steps)


def _side(text: str) -> str | int:
    return int(text) if text.isdigit() else text


def calculated(left: int, sign: str, right: int) -> int:
    """The result of a calculation whose quotient is exact."""
    if sign == "/":
        return left // right
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def is_fact(left: int, sign: str, right: int) -> bool:
    """Whether it stands in the tables, so that nobody can work it out from others."""
    if sign == "+":
        return max(left, right) <= _KNOWN_SUMS
    if sign == "-":
        return max(left - right, right) <= _KNOWN_SUMS
    if sign == "*":
        return max(left, right) <= _TABLE
    return max(left // right, right) <= _TABLE


@cache
def is_held_out_pair(left: int, sign: str, right: int) -> bool:
    """Whether training never sees it; a sum or a product goes with its other order."""
    if is_fact(left, sign, right):
        return False
    if sign in "+*" and left > right:
        left, right = right, left
    return is_hashed_out(f"{left}{sign}{right}")


def a_number(upto: Upto, largest: int = LARGEST) -> int:
    """From 2 on; small ones are likelier, as they are where people count."""
    kind = upto(20)
    bound = 12 if kind < 5 else 20 if kind < 10 else 50 if kind < 15 else 100
    return 2 + upto(max(1, min(bound, largest) - 1))


def a_change(upto: Upto, largest: int) -> int:
    """A number from 1 on."""
    if largest <= 1 or upto(25) == 0:
        return 1
    return a_number(upto, largest)


def factors(upto: Upto, largest: int) -> tuple[int, int]:
    """Two, whose product is at most the largest; mostly from the tables."""
    if upto(4):
        first = 2 + upto(9)
        return first, 2 + upto(max(1, min(_TABLE, largest // first) - 1))
    first = 2 + upto(min(_TABLE, largest // 11) - 1) if largest >= 33 else 2
    second = 11 + upto(max(1, min(LARGEST, largest // first) - 10))
    if first * second > largest:
        second = max(1, largest // first)
    return (first, second) if upto(2) else (second, first)


def _divisors(number: int, largest: int = 20) -> list[int]:
    return [n for n in range(2, min(largest, number - 1) + 1) if number % n == 0]


def fill_in(
    steps: tuple[Step, ...], numbers: dict[str, int], upto: Upto, largest: int
) -> list[tuple[int, str, int]] | None:
    """The calculations of some steps; None if no numbers suit them.

    `numbers` has what is known; what is not is drawn and added, and so are results.
    """
    made = []
    for step in steps:
        left = step.left if isinstance(step.left, int) else numbers.get(step.left)
        right = step.right if isinstance(step.right, int) else numbers.get(step.right)
        pair = _DRAW[step.sign](left, right, upto, largest)
        if pair is None:
            return None
        left, right = pair
        result = calculated(left, step.sign, right)
        if not 1 <= result <= LARGEST_RESULT:
            return None
        for side, value in ((step.left, left), (step.right, right), (step.result, result)):
            if isinstance(side, str):
                numbers[side] = value
        made.append((left, step.sign, right))
    return made


_Pair = tuple[int, int] | None


def _sum(left: int | None, right: int | None, upto: Upto, largest: int) -> _Pair:
    if left is None:
        left = a_number(upto, min(largest, LARGEST_RESULT - (right or 1)))
    if right is None:
        right = a_change(upto, min(largest, LARGEST_RESULT - left))
    return left, right


def _difference(left: int | None, right: int | None, upto: Upto, largest: int) -> _Pair:
    if left is None and right is None:
        left = a_number(upto, largest)
        left += left == 2
    if left is None:
        assert right is not None
        if right >= largest:
            return None
        # As far away as one may be, or near: both are asked.
        left = right + a_change(upto, largest - right)
    if right is None:
        if left < 2:
            return None
        right = a_change(upto, min(largest, left - 1))
    return (left, right) if left > right else None


def _product(left: int | None, right: int | None, upto: Upto, largest: int) -> _Pair:
    if left is None and right is None:
        return factors(upto, min(LARGEST_RESULT, 3 * largest))
    known = left if left is not None else right
    assert known is not None
    if left is None or right is None:
        if known < 2 or 2 * known > LARGEST_RESULT:
            return None
        small = 5 if upto(3) else _TABLE
        other = 2 + upto(min(small, LARGEST_RESULT // known) - 1)
        left, right = (known, other) if right is None else (other, known)
    return left, right


def _quotient(left: int | None, right: int | None, upto: Upto, largest: int) -> _Pair:
    if left is None and right is None:
        result, right = factors(upto, min(LARGEST_DIVIDED, max(largest, 20)))
        return result * right, right
    if left is None:
        assert right is not None
        return right * (2 + upto(min(largest, LARGEST) // right - 1)), right
    if right is None:
        choices = _divisors(left)
        if not choices:
            return None
        right = choices[upto(len(choices))]
    return (left, right) if left % right == 0 and left > right else None


_DRAW = {"+": _sum, "-": _difference, "*": _product, "/": _quotient}
