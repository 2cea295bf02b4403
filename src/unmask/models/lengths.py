"""How long a sequence is to be: as asked for, or as those are that the model learnt from.

    None      as many tokens as the model takes; of a model of sequences of any length, a length
              drawn from those it learnt from
    120       so many
    "80-200"  any of these, each as probable; (80, 200) in Python

A length is drawn from the seed of its sample, so the sample is the same in any batch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from unmask.draws import numbers, stream_seed
from unmask.errors import CheckpointError, PromptError

Length = int | str | tuple[int, int] | None
"""What can be asked for."""
_LENGTH = 0x6C656E  # tells these draws from those that make the sample


def is_drawn(asked: object, usual: "Lengths | None") -> bool:
    """Whether samples may differ in length."""
    if asked is None:
        return usual is not None
    first, last = _bounds(asked)
    return first < last


def length_of(asked: object, seed: int, *, usual: "Lengths | None", least: int, most: int) -> int:
    """The length of one sample. Raises `PromptError` if none that is asked for is possible.

    Where a length is drawn, it is from those of at least `least` and at most `most`.
    """
    if asked is None:
        return most if usual is None else usual.draw(seed, least, most)
    first, last = _bounds(asked)
    if not 1 <= first <= last <= most:
        raise PromptError(
            f"the length must be 1 to {most}, the longest that the model can take, or a range "
            f"such as 80-200 within that; got {asked}."
        )
    if first == last:
        return first
    first = min(max(first, least), last)
    return first + int(_share(seed) * (last - first + 1))


def _bounds(asked: object) -> tuple[int, int]:
    """The shortest and the longest that is asked for."""
    if isinstance(asked, str):
        found = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", asked)
        if found:
            return int(found[1]), int(found[2] or found[1])
    elif isinstance(asked, tuple | list):
        if len(asked) == 2 and all(type(each) is int for each in asked):
            return asked[0], asked[1]
    elif isinstance(asked, int) and not isinstance(asked, bool):
        return asked, asked
    raise PromptError(
        'a length is a whole number, a range such as "80-200", or None for what is usual; got '
        f"{type(asked).__name__}: {asked!r:.60}."
    )


def _share(seed: int) -> float:
    return next(numbers(stream_seed(seed, _LENGTH)))


@dataclass(frozen=True)
class Lengths:
    """How often each length is among the sequences that a model learnt from."""

    counts: Mapping[int, int]

    @staticmethod
    def from_json(fields: object, source: str) -> "Lengths | None":
        """Those of a config.json; None: it names none. Raises `CheckpointError`."""
        if fields is None:
            return None
        if (
            not isinstance(fields, dict)
            or not fields
            or len(fields) > 2**18
            or not all(
                n.isascii() and n.isdigit() and len(n) < 10 and type(count) is int and count > 0
                for n, count in fields.items()
            )
        ):
            raise CheckpointError(
                f'{source}: "lengths" must say how many sequences are how long, as '
                f'{{"80": 12}}; got {fields!r:.60}. Restore the config that was saved with the '
                "weights."
            )
        return Lengths({int(n): count for n, count in sorted(fields.items(), key=_by_number)})

    @property
    def mean(self) -> float:
        """Of all sequences."""
        total = sum(n * count for n, count in self.counts.items())
        return total / sum(self.counts.values())

    def to_json(self) -> dict[str, int]:
        """What `from_json` reads."""
        return {str(n): count for n, count in self.counts.items()}

    def draw(self, seed: int, least: int, most: int) -> int:
        """One of them that lies within bounds; the longest possible if none does."""
        fitting = [(n, count) for n, count in self.counts.items() if least <= n <= most]
        if not fitting:
            return most
        before = list(accumulate(count for _, count in fitting))
        place = _share(seed) * before[-1]
        return next(n for (n, _), end in zip(fitting, before, strict=True) if place < end)


def _by_number(each: tuple[str, int]) -> int:
    return int(each[0])
