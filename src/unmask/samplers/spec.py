"""Samplers in words: `name(key=value, ...)`, read into dataclasses; `str` writes them back.

    self-speculative
    self-speculative(window=cosine(0.2), verify_rounds=4, order=spaced)
    threshold(threshold=0.95, blocks=left-to-right(32), temperature=0)
    threshold(threshold=0.95)+dual(block_length=32)

Behind a "+" stands the cache of a large model's passes (caching/policies.py). The names are those
of registry.py, the keys the fields of what is named; without a key values are taken in the order
of the fields. `temperature` and `top_p` stand for the field `filter`. Words have letters, digits,
"-" and "_"; nothing is ever evaluated.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from unmask.caching.policies import CACHES, CachePolicy
from unmask.errors import ConfigError, did_you_mean
from unmask.samplers.registry import PARTS, SAMPLERS
from unmask.samplers.sampler import Sampler
from unmask.speculation.filters import Filter

_TOKEN = re.compile(r"\s*([A-Za-z][\w-]*|[-+]?[\d.][\w.+-]*|[(),=+])")
_FILTER = ("temperature", "top_p")


def read_sampler(spec: str, usual: Mapping[str, Any] | None = None) -> Sampler:
    """The sampler that a spec names. Raises `ConfigError`, which says what there could be.

    `usual` as for `read_cached`.
    """
    if not isinstance(usual, Mapping | None):
        raise ConfigError(f"what is usual is a mapping from names, got {usual!r:.60}.")
    sampler, cache = read_cached(spec, usual)
    if cache is not None:
        raise ConfigError(
            f"{_short(spec)} names a cache behind its +, which only large models have. "
            "Leave it out."
        )
    return sampler


def read_cached(
    spec: str, usual: Mapping[str, Any] | None = None
) -> tuple[Sampler, CachePolicy | None]:
    """The sampler that a spec names, and the cache behind a "+" if there is one.

    `usual` are samplers and caches by name that have other values than their classes begin with,
    where the spec does not say. Raises `ConfigError`, which says what there could be.
    """
    reader = _Reader(spec)
    found: Sampler = reader.named(SAMPLERS, "sampler", usual)
    cache = reader.named(CACHES, "cache", usual) if reader.take_if("+") else None
    reader.expect_end()
    return found, cache


def split_specs(text: str) -> list[str]:
    """The specs of a list: commas within brackets belong to a spec."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


class _Reader:
    """What is left of a spec."""

    def __init__(self, spec: str) -> None:
        if not isinstance(spec, str):
            raise ConfigError(
                'a spec is a text such as "ancestral(num_steps=16)", got '
                f"{type(spec).__name__}: {spec!r:.60}."
            )
        self.spec, self.where = spec, 0

    def named(self, choices: Any, what: str, usual: Mapping[str, Any] | None = None) -> Any:
        """A name of these, and what stands in brackets behind it."""
        name = self._take(what)
        if name not in choices:
            raise ConfigError(
                f"there is no {what} {_short(name)}, in "
                f"{_short(self.spec)}.{did_you_mean(name, choices)} "
                f"Choose one of: {', '.join(choices)}."
            )
        return _Call(choices[name], name, self, (usual or {}).get(name)).made()

    def next(self) -> str:
        """What comes next, without taking it; "" at the end."""
        found = _TOKEN.match(self.spec, self.where)
        return found[1] if found else self.spec[self.where :].strip()[:1]

    def take_if(self, sign: str) -> bool:
        """Whether the sign came next; it is then taken."""
        if self.next() != sign:
            return False
        found = _TOKEN.match(self.spec, self.where)
        assert found
        self.where = found.end()
        return True

    def word(self, what: str) -> str:
        """A name or a number."""
        return self._take(what)

    def _take(self, what: str) -> str:
        found = _TOKEN.match(self.spec, self.where)
        if not found or found[1] in "(),=+":
            rest = self.spec[self.where :].strip()
            raise ConfigError(
                f"a {what} was expected {f'before {_short(rest)}' if rest else 'at the end'} of "
                f"{_short(self.spec)}. Write name(key=value, ...), as in self-speculative(window="
                "cosine(0.2), verify_rounds=4)."
            )
        self.where = found.end()
        return found[1]

    def expect_end(self) -> None:
        """Raise `ConfigError` if something is left."""
        if rest := self.spec[self.where :].strip():
            raise ConfigError(
                f"{_short(rest)} is left over behind the end of {_short(self.spec)}. "
                f"Write name(key=value, "
                "...), with a comma between two and every bracket closed."
            )


class _Call:
    """A class, and the values for its fields that a spec gives; the others are as in `usual`."""

    def __init__(self, cls: type, name: str, reader: _Reader, usual: Any = None) -> None:
        self.cls, self.name, self.reader, self.defaults = cls, name, reader, usual
        self.hints = get_type_hints(cls)
        self.names = [field.name for field in fields(cls)]
        self.keys = [name for name in self.names if name != "filter"]
        if "filter" in self.names:
            self.keys += _FILTER

    def made(self) -> Any:
        values: dict[str, Any] = {}
        if self.reader.take_if("("):
            while not self.reader.take_if(")"):
                key = self._key(len(values))
                if key in values:
                    raise self._wrong(key, "is given twice. Give it once")
                values[key] = self._value(key)
                if not self.reader.take_if(",") and self.reader.next() != ")":
                    self.reader.expect_end()
                    raise self._wrong(key, "is not followed by a comma or a closing bracket")
        sharpened = {key: values.pop(key) for key in _FILTER if key in values}
        if sharpened:
            values["filter"] = replace(getattr(self.defaults, "filter", Filter()), **sharpened)
        if self.defaults is not None:
            return replace(self.defaults, **values)
        for field in fields(self.cls):
            is_needed = field.default is MISSING and field.default_factory is MISSING
            if is_needed and field.name not in values:
                raise ConfigError(
                    f"{self.name} needs {field.name}, in {_short(self.reader.spec)}. "
                    f"Write {self.name}({field.name}={_shown(self.hints[field.name])}, ...)."
                )
        return self.cls(**values)

    def _key(self, place: int) -> str:
        """The key that comes next, or the one whose turn it is."""
        before = self.reader.where
        word = self.reader.word("key or value")
        if self.reader.take_if("="):
            if word not in self.keys:
                raise ConfigError(
                    f"{self.name} has no {_short(word)}, in {_short(self.reader.spec)}."
                    f"{did_you_mean(word, self.keys)} It has: {', '.join(self.keys) or 'nothing'}."
                )
            return word
        self.reader.where = before
        if place >= len(self.keys):
            raise ConfigError(
                f"{self.name} has no place for {_short(word)}, in "
                f"{_short(self.reader.spec)}. It has: "
                f"{', '.join(self.keys) or 'nothing'}."
            )
        return self.keys[place]

    def _value(self, key: str) -> Any:
        if key in PARTS:
            return self.reader.named(PARTS[key], key, self._usual_part(key))
        kind = float if key in _FILTER else self.hints[key]
        word = self.reader.word("value")
        if get_origin(kind) is Literal:
            if word not in get_args(kind):
                raise self._wrong(
                    key, f"is {_short(word)}. Choose one of: {', '.join(map(str, get_args(kind)))}"
                )
            return word
        options = get_args(kind) or (kind,)
        if word == "none" and type(None) in options:
            return None
        if bool in options and word in ("true", "false"):
            return word == "true"
        if int in options and re.fullmatch(r"[-+]?\d{1,18}", word):
            return int(word)
        if float in options:
            try:
                return float(word)
            except ValueError:
                pass
        if str in options:
            return word
        raise self._wrong(key, f"is {_short(word)}, and should be {_shown(kind)}")

    def _usual_part(self, key: str) -> dict[str, Any]:
        """The part that is there already, by its name."""
        part = getattr(self.defaults, key, None)
        return {name: part for name, cls in PARTS[key].items() if type(part) is cls}

    def _wrong(self, key: str, what: str) -> ConfigError:
        return ConfigError(f"{key} of {self.name} {what}, in {_short(self.reader.spec)}.")


def _short(text: str) -> str:
    """A text between quotes, cut where it is long."""
    return repr(text if len(text) <= 100 else f"{text[:97]}...")


def _shown(kind: Any) -> str:
    options = get_args(kind) or (kind,)
    if get_origin(kind) is Literal:
        return "|".join(map(str, options))
    names = {int: "a whole number", float: "a number", bool: "true or false", type(None): "none"}
    return " or ".join(names.get(each, "a name") for each in options)
