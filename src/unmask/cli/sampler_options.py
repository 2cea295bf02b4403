"""`--sampler NAME` and the options of that sampler, in dotted form.

The names decide which options there are, so they are looked for before the parser is made:
`unmask generate --sampler ancestral --help` shows the options of ancestral sampling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from jsonargparse import Namespace

from unmask.cli.parser import Parser
from unmask.errors import ConfigError
from unmask.samplers.registry import PARTS, SAMPLERS
from unmask.samplers.sampler import Sampler
from unmask.speculation.filters import Filter


class SamplerOptions:
    """The sampler options of one verb, for one command line."""

    def __init__(
        self, parser: Parser, arguments: Sequence[str], samplers: Mapping[str, type] = SAMPLERS
    ) -> None:
        name = _chosen(arguments, "--sampler", samplers, "self-speculative")
        self._sampler_class = samplers[name]
        default: Any = self._sampler_class()
        parts = [f.name for f in fields(default) if f.name in PARTS]
        parser.add_argument(
            "--temperature", type=float, default=1.0, help="1 samples the model, 0 is greedy."
        )
        parser.add_argument(
            "--top-p", type=float, default=1.0, help="Share of the probability kept, in (0, 1]."
        )
        self._part_classes: dict[str, type] = {}
        choices = [_choice("--sampler", samplers, name)]
        for part in parts:
            chosen = _chosen(arguments, f"--sampler.{part}", PARTS[part], _name_of(default, part))
            self._part_classes[part] = PARTS[part][chosen]
            choices.append(_choice(f"--sampler.{part}", PARTS[part], chosen))
        parser.add_class_arguments(
            self._sampler_class,
            "sampler",
            skip={"filter", "error_predictor", *parts},
            as_group=False,
        )
        parser.epilog = (
            "The sampler is chosen by name, and decides which --sampler.* options there are. "
            + " ".join(choices)
        )
        self.rest = _without(arguments, ["--sampler", *(f"--sampler.{part}" for part in parts)])
        """The command line without the names chosen, for the parser."""
        for part, cls in self._part_classes.items():
            parser.add_class_arguments(cls, f"sampler.{part}", as_group=False)
            ours: Any = getattr(default, part)
            if type(ours) is cls:
                parser.set_defaults(
                    {f"sampler.{part}.{name}": value for name, value in vars(ours).items()}
                )

    def build(self, options: Namespace) -> Sampler:
        """The sampler that was asked for. Raises `ConfigError` for choices that cannot work."""
        values: dict[str, Any] = options.get("sampler", Namespace()).as_dict()
        for part, cls in self._part_classes.items():
            values[part] = cls(**(values.get(part) or {}))
        values["filter"] = Filter(temperature=options.temperature, top_p=options.top_p)
        return self._sampler_class(**values)


def _chosen(arguments: Sequence[str], flag: str, choices: Mapping[str, type], default: str) -> str:
    """The value that follows a flag on the command line."""
    name = default
    for argument, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if argument == flag:
            name = following
        elif argument.startswith(f"{flag}="):
            name = argument.removeprefix(f"{flag}=")
    if name not in choices:
        raise ConfigError(f"{flag} {name!r} is unknown. Choose one of: {', '.join(choices)}.")
    return name


def _choice(flag: str, choices: Mapping[str, type], chosen: str) -> str:
    return f"{flag} {{{','.join(choices)}}} (here: {chosen})."


def _without(arguments: Sequence[str], flags: Sequence[str]) -> list[str]:
    """The command line without some flags and their values."""
    rest, is_value = [], False
    for argument in arguments:
        if not is_value and not argument.startswith(tuple(f"{flag}=" for flag in flags)):
            is_value = argument in flags
            rest += [] if is_value else [argument]
        else:
            is_value = False
    return rest


def _name_of(sampler: Any, part: str) -> str:
    cls = type(getattr(sampler, part))
    return next(name for name, candidate in PARTS[part].items() if candidate is cls)
