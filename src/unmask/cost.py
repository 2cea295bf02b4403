"""What generating costs: one account, of a step, a sequence, or the mean of many.

    the cost of a sequence  =  the sum of the costs of its steps
    tokens per pass         =  (accepted + rejected) / passes of the trunk

Work is told three ways: passes, which is what a sequence waits for; tokens that were computed in
them, which is what feed-forward layers pay for; and pairs of such a token and one it attended to,
which is what attention pays for. A pass over all of n positions is n tokens and n^2 pairs; caches
make both fewer. What the trunk, the causal tail and a smaller model that drafts do stands side by
side, and none of it is counted twice.

Counts are tensors with an entry per sequence, or plain numbers: `Cost[Counts]` is what a step
says of a batch, `Cost[int]` what a finished sequence took.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import add, sub
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from unmask.batches import Rows
from unmask.shapes import PAD, Counts, TokenIds

Count = TypeVar("Count")


@dataclass(frozen=True)
class Work(Rows, Generic[Count]):
    """What one network did. `+`, `-` and `* times` go field by field."""

    passes: Count
    tokens: Count
    """Tokens that were computed, summed over the passes."""
    pairs: Count
    """Pairs of such a token and one that it attended to."""

    @classmethod
    def none(cls) -> "Work[Any]":
        """Nothing at all."""
        return cls(0, 0, 0)  # type: ignore[arg-type]

    @staticmethod
    def whole(passes: Counts, length: Counts) -> "Work[Counts]":
        """Passes over all positions of sequences of so many."""
        return Work(passes, passes * length, passes * length**2)

    def __add__(self, other: "Work[Any]") -> "Work[Count]":
        return _by_field(add, self, other)

    def __sub__(self, other: "Work[Any]") -> "Work[Count]":
        return _by_field(sub, self, other)

    def __mul__(self, times: Any) -> "Work[Count]":
        return _each(lambda value: value * times, self)

    def among(self, rows: Int[Tensor, " N"], num_rows: int) -> "Work[Counts]":
        """The same in a batch of `num_rows` sequences, of which these are `rows`."""

        def spread(values: Tensor) -> Tensor:
            return values.new_zeros(num_rows).index_add(0, rows, values)

        spread_out: Work[Any] = _each(spread, self)
        return spread_out


@dataclass(frozen=True)
class Cost(Rows, Generic[Count]):
    """What a step, or a sequence, took and what it settled. `+` and `* times` as of `Work`."""

    trunk: Work[Count]
    """Of the network itself, its causal tail apart."""
    accepted: Count
    """Drafted tokens that stayed, less those of earlier steps that were masked again."""
    rejected: Count
    """Drafted tokens that were replaced."""
    tail: Work[Count] = field(default_factory=Work.none)
    """Of the causal blocks; their tokens are those that were verified, their pairs are not
    counted."""
    drafter: Work[Count] = field(default_factory=Work.none)
    """Of a smaller model that drafts."""

    @classmethod
    def none(cls) -> "Cost[Any]":
        """Nothing at all."""
        return cls(Work.none(), 0, 0)  # type: ignore[arg-type]

    @classmethod
    def nothing_yet(cls, rows: Counts) -> "Cost[Counts]":
        """Of as many sequences as there are `rows`, before their first step."""
        zero = torch.zeros_like(rows)
        return _each(lambda _: zero, cls.none())

    @staticmethod
    def of_passes(passes: Counts, token_ids: TokenIds, accepted: Counts) -> "Cost[Counts]":
        """Passes over whole sequences, padding not counted, in which all drafts stay."""
        length = (token_ids != PAD).sum(dim=1)
        zero = torch.zeros_like(accepted)
        return Cost(Work.whole(passes, length), accepted, zero, Work(zero, zero, zero))

    def __add__(self, other: "Cost[Any]") -> "Cost[Count]":
        return _by_field(add, self, other)

    def __mul__(self, times: Any) -> "Cost[Count]":
        return _each(lambda value: value * times, self)

    @property
    def num_revealed(self) -> Count:
        """Tokens that were settled."""
        total: Count = self.accepted + self.rejected  # type: ignore[operator]
        return total

    def each(self) -> list["Cost[int]"]:
        """Of a batch: the cost of each sequence."""
        flat: dict[str, Any] = self.to_json()
        num_rows = len(flat["accepted"])
        columns = {
            key: value.tolist() if isinstance(value, Tensor) else [value] * num_rows
            for key, value in flat.items()
        }
        rows = zip(*columns.values(), strict=True)
        return [Cost.of_json(dict(zip(columns, row, strict=True))) for row in rows]

    def to_json(self) -> dict[str, Count]:
        """Flat, as every report and every line of results has it."""
        return {
            key: getattr(getattr(self, part) if part else self, name)
            for key, (part, name) in _KEYS.items()
        }

    @staticmethod
    def of_json(values: Mapping[str, Any]) -> "Cost[Any]":
        """What `to_json` made; what is not there is 0."""
        known = {where: values.get(key, 0) for key, where in _KEYS.items()}
        parts = {
            part: Work(*(known.get((part, name), 0) for name in ("passes", "tokens", "pairs")))
            for part in ("trunk", "tail", "drafter")
        }
        return Cost(accepted=known["", "accepted"], rejected=known["", "rejected"], **parts)


_KEYS = {
    "trunk_passes": ("trunk", "passes"),
    "tail_passes": ("tail", "passes"),
    "accepted": ("", "accepted"),
    "rejected": ("", "rejected"),
    "tail_tokens": ("tail", "tokens"),
    "query_tokens": ("trunk", "tokens"),
    "query_keys": ("trunk", "pairs"),
    "drafter_passes": ("drafter", "passes"),
    "drafter_tokens": ("drafter", "tokens"),
    "drafter_keys": ("drafter", "pairs"),
}


def mean(costs: Iterable[Cost[int]]) -> Cost[float]:
    """The mean of the costs of some sequences, of which there is one at least."""
    every = list(costs)
    total: Cost[Any] = sum(every, start=Cost.none())
    return total * (1 / len(every))


class Costed:
    """What has a cost, with its main figures at hand."""

    cost: Cost[Any]

    @property
    def trunk_passes(self) -> Any:
        """Passes of the trunk."""
        return self.cost.trunk.passes

    @property
    def tail_passes(self) -> Any:
        """Causal passes."""
        return self.cost.tail.passes

    @property
    def accepted(self) -> Any:
        """Drafted tokens that stayed."""
        return self.cost.accepted

    @property
    def rejected(self) -> Any:
        """Drafted tokens that were replaced."""
        return self.cost.rejected


Held = TypeVar("Held", bound=Rows)


def _by_field(operation: Callable[[Any, Any], Any], one: Held, other: Held) -> Held:
    others = vars(other)
    return _like(
        one,
        {
            name: _by_field(operation, value, others[name])
            if isinstance(value, Rows)
            else operation(value, others[name])
            for name, value in vars(one).items()
        },
    )


def _each(change: Callable[[Any], Any], one: Held) -> Held:
    return _like(
        one,
        {
            name: _each(change, value) if isinstance(value, Rows) else change(value)
            for name, value in vars(one).items()
        },
    )


def _like(one: Held, values: dict[str, Any]) -> Held:
    """Another with the same fields: made at every step, so without the ceremony of `__init__`."""
    made: Held = object.__new__(type(one))
    vars(made).update(values)
    return made
