"""Choices by name, whose fields may be such choices too, as options in dotted form.

    --sampler draft-verify --sampler.drafter threshold --sampler.drafter.threshold 0.6

The names decide which options there are, so they are looked for before the parser is made.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from unmask.cli.options.parser import Parser
from unmask.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class Choice:
    """What was chosen for one key, and for the fields of it that are choices themselves."""

    key: str
    """"sampler.drafter", say: without the dashes."""
    name: str
    choices: Mapping[str, type]
    usual: Any
    """What its options are by default, if it is of the class chosen."""
    parts: "Mapping[str, Choice]"

    @property
    def chosen(self) -> type:
        """The class of that name."""
        return self.choices[self.name]

    def __iter__(self) -> "Iterator[Choice]":
        """This choice and all within it."""
        yield self
        for part in self.parts.values():
            yield from part

    def add_to(self, parser: Parser, *, skip: frozenset[str]) -> None:
        """Add the options of what was chosen; fields to be skipped have none."""
        parser.add_class_arguments(
            self.chosen, self.key, skip={*skip, *self.parts}, as_group=False
        )
        if type(self.usual) is self.chosen:
            plain = {
                field.name: getattr(self.usual, field.name)
                for field in fields(self.chosen)
                if field.name not in skip | self.parts.keys()
            }
            parser.set_defaults({f"{self.key}.{name}": value for name, value in plain.items()})
        for part in self.parts.values():
            part.add_to(parser, skip=skip)

    def build(self, values: Mapping[str, Any], shared: Mapping[str, Any]) -> Any:
        """What was chosen, with these values; `shared` is for any part with such a field."""
        own = {name: value for name, value in values.items() if name not in self.parts}
        for name, part in self.parts.items():
            own[name] = part.build(values.get(name) or {}, shared)
        names = {field.name for field in fields(self.chosen)}
        return self.chosen(**own | {name: shared[name] for name in shared if name in names})

    def explained(self) -> str:
        """The names there are, for the help."""
        return " ".join(
            f"--{choice.key} {{{','.join(choice.choices)}}} (here: {choice.name})."
            for choice in self
        )

    def without(self, arguments: Sequence[str]) -> list[str]:
        """The command line without the names chosen, for the parser."""
        flags = [f"--{choice.key}" for choice in self]
        rest, is_value = [], False
        for argument in arguments:
            if not is_value and not argument.startswith(tuple(f"{flag}=" for flag in flags)):
                is_value = argument in flags
                rest += [] if is_value else [argument]
            else:
                is_value = False
        return rest


def choose(
    arguments: Sequence[str],
    key: str,
    choices: Mapping[str, type],
    usual: Any,
    parts: Mapping[str, Mapping[str, type]],
) -> Choice:
    """What a command line chooses for a key; else `usual`, an instance of one of the choices.

    `parts` has the choices for fields by their name. Raises `ConfigError` for unknown names.
    """
    name = _named(arguments, f"--{key}", choices, usual.name)
    chosen = choices[name]
    within = {}
    for field in fields(chosen):
        if field.name in parts:
            value = getattr(usual, field.name) if type(usual) is chosen else default_of(field)
            within[field.name] = choose(
                arguments, f"{key}.{field.name}", parts[field.name], value, parts
            )
    return Choice(key, name, choices, usual, within)


def has_default(field: Field[Any]) -> bool:
    """Whether a field of a dataclass can be left out."""
    return field.default is not MISSING or field.default_factory is not MISSING


def default_of(field: Field[Any]) -> Any:
    """What a field is if it is left out."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _named(arguments: Sequence[str], flag: str, choices: Mapping[str, type], usual: str) -> str:
    """The value that follows a flag on the command line."""
    name = usual
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if argument == flag:
            name = following
        elif argument.startswith(f"{flag}="):
            name = argument.removeprefix(f"{flag}=")
    if name not in choices:
        raise ConfigError(
            f"{flag} {name[:100]!r} is unknown.{did_you_mean(name, choices)} "
            f"Choose one of: {', '.join(choices)}."
        )
    return name
