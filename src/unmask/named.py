"""Choices that have a name, and are written as it: `name(key=value, ...)`.

Samplers, windows, grids, schedules, blocks, rules of remasking and caches are frozen dataclasses
of choices. `str` of one is the spec that reads as it (samplers/spec.py): its name, and the fields
that are not as they would be if nothing was said.

    str(SelfSpeculative(window=Cosine(0.2), verify_rounds=4))
    'self-speculative(window=cosine(dtau=0.2), verify_rounds=4)'
"""

import math
from dataclasses import MISSING, fields
from typing import Any, ClassVar

FILTER = "filter"
"""The field whose own fields (temperature, top_p) are written as if they were the sampler's."""


class Named:
    """A frozen dataclass of choices that has a name."""

    name: ClassVar[str]
    """What it is called on the command line, in specs and in reports."""

    def __str__(self) -> str:
        return spec_of(self)


def spec_of(value: Any) -> str:
    """The spec of a dataclass of choices: its name, and what differs from what is usual."""
    name = getattr(value, "name", type(value).__name__)
    parts = [part for field in fields(value) for part in _written(field, value)]
    return f"{name}({', '.join(parts)})" if parts else name


def _written(field: Any, value: Any) -> list[str]:
    """A field of a dataclass as key=value; nothing if it is as usual."""
    own, usual = getattr(value, field.name), field.default
    if field.default_factory is not MISSING:
        usual = field.default_factory()
    if field.name == FILTER:
        inner = ((each.name, getattr(own, each.name)) for each in fields(own))
        return [f"{key}={_plain(own)}" for key, own in inner if own != getattr(usual, key)]
    return [] if own == usual else [f"{field.name}={_plain(own)}"]


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "inf" if value == math.inf else repr(value).removesuffix(".0")
    return str(value)
