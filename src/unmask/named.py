"""Choices that have a name, and are written as it: `name(key=value, ...)`.

Samplers, windows, grids, schedules, blocks, rules of remasking and caches are frozen dataclasses
of choices. `str` of one is the spec that reads as it (samplers/spec.py): its name, and the fields
that are not as they would be if nothing was said.

    str(SelfSpeculative(window=Cosine(0.2), verify_rounds=4))
    'self-speculative(window=cosine(dtau=0.2), verify_rounds=4)'
"""

import math
from dataclasses import MISSING, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from unmask.errors import ConfigError

FILTER = "filter"
"""The field whose own fields (temperature, top_p) are written as if they were the sampler's."""


class Choices:
    """A frozen dataclass of choices, each of which is checked to be of the kind that it says.

    A class may look at their values in a `__post_init__` of its own. Before it plain values are
    checked, behind it parts such as a window, of which it may say more than their kind.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = cls.__dict__.get("__post_init__")

        def __post_init__(self: Any) -> None:
            check_kinds(self, of_parts=False)
            if own is not None:
                own(self)
            check_kinds(self, of_parts=True)

        if own is not None or "__post_init__" not in dir(cls):
            cls.__post_init__ = __post_init__  # type: ignore[attr-defined]


def check_kinds(choices: Any, *, of_parts: bool) -> None:
    """Raise `ConfigError` if a field of a dataclass holds something of another kind."""
    cls: Any = type(choices)
    for name, kind in _kinds(cls).items():
        value = getattr(choices, name)
        is_part = isinstance(kind, type) and kind not in _WORDS
        if is_part == of_parts and not _is_of(value, kind):
            raise ConfigError(
                f"{type(choices).__name__}.{name} must be {_said(kind)}, got {value!r:.60}."
            )


@cache
def _kinds(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in fields(cls)}


def _is_of(value: Any, kind: Any) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if get_origin(kind) in (Union, UnionType):
        return any(_is_of(value, each) for each in get_args(kind))
    if get_origin(kind) is Literal:  # which of them, the class says
        return any(type(value) is type(each) for each in get_args(kind))
    if not isinstance(kind, type) or get_origin(kind) is not None:
        return True
    try:
        return isinstance(value, kind) and (kind is type or not isinstance(value, type))
    except TypeError:  # a protocol that cannot be asked
        return True


def _said(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_said(each) for each in get_args(kind))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, get_args(kind)))
    return _WORDS.get(kind, f"a {getattr(kind, '__name__', kind)}")


_WORDS: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "a text",
    NoneType: "None",
}  # fmt: skip


class Named(Choices):
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
