"""`--sampler NAME` and the options of that sampler, in dotted form.

The names decide which options there are, so they are looked for before the parser is made:
`unmask generate --sampler ancestral --help` shows the options of ancestral sampling.

A part that was trained for a model (LEARNED) is named by its folder; "own" is the one that lies
with the model, and what a sampler uses that cannot do without.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from jsonargparse import Namespace

from unmask.cli.parser import Parser
from unmask.errors import ConfigError
from unmask.large_model import LargeModel
from unmask.model import Model
from unmask.samplers.registry import PARTS, SAMPLERS
from unmask.samplers.sampler import Sampler
from unmask.speculation.filters import Filter

LEARNED: dict[str, Callable[[Model, str], Any]] = {
    "policy": Model.policy,
    "error_predictor": Model.error_head,
}
"""The fields of samplers that are trained, and how a model reads one from a folder."""

_OWN, _UNTRAINED = "own", "untrained"


class SamplerOptions:
    """The sampler options of one verb, for one command line."""

    def __init__(
        self, parser: Parser, arguments: Sequence[str], samplers: Mapping[str, type] = SAMPLERS
    ) -> None:
        name = _chosen(arguments, "--sampler", samplers, "self-speculative")
        self._is_chosen = any(argument.startswith("--sampler") for argument in arguments)
        self._sampler_class = samplers[name]
        by_name = {f.name: f for f in fields(self._sampler_class)}
        parts = [part for part in by_name if part in PARTS]
        self._learned = [part for part in by_name if part in LEARNED]
        parser.add_argument(
            "--temperature", type=float, default=1.0, help="1 samples the model, 0 is greedy."
        )
        parser.add_argument(
            "--top-p", type=float, default=1.0, help="Share of the probability kept, in (0, 1]."
        )
        self._part_classes: dict[str, type] = {}
        choices = [_choice("--sampler", samplers, name)]
        for part in parts:
            usual = _name_of(_default(by_name[part]), part)
            chosen = _chosen(arguments, f"--sampler.{part}", PARTS[part], usual)
            self._part_classes[part] = PARTS[part][chosen]
            choices.append(_choice(f"--sampler.{part}", PARTS[part], chosen))
        parser.add_class_arguments(
            self._sampler_class,
            "sampler",
            skip={"filter", *self._learned, *parts},
            as_group=False,
        )
        for part in self._learned:
            is_needed = not _has_default(by_name[part])
            parser.add_argument(
                f"--sampler.{part}",
                type=str,
                default=_OWN if is_needed else _UNTRAINED,
                help=f"Folder of a trained one; {_OWN}: the model's."
                + ("" if is_needed else f" {_UNTRAINED}: a rule in its place."),
            )
        parser.epilog = (
            "The sampler is chosen by name, and decides which --sampler.* options there are. "
            + " ".join(choices)
        )
        self.rest = _without(arguments, ["--sampler", *(f"--sampler.{part}" for part in parts)])
        """The command line without the names chosen, for the parser."""
        for part, cls in self._part_classes.items():
            parser.add_class_arguments(cls, f"sampler.{part}", as_group=False)
            ours: Any = _default(by_name[part])
            if type(ours) is cls:
                parser.set_defaults(
                    {f"sampler.{part}.{name}": value for name, value in vars(ours).items()}
                )

    def build(self, options: Namespace, model: Model | LargeModel) -> Sampler:
        """The sampler that was asked for, with the trained parts it needs.

        Raises:
            ConfigError: choices that cannot work.
            CheckpointError: a trained part is not there, or its files are damaged.
        """
        if not self._is_chosen and isinstance(model, LargeModel):
            return model.default_sampler
        values: dict[str, Any] = options.get("sampler", Namespace()).as_dict()
        for part, cls in self._part_classes.items():
            values[part] = cls(**(values.get(part) or {}))
        for part in self._learned:
            folder = values.pop(part)
            if isinstance(model, LargeModel):
                raise ConfigError(
                    f"{model.name} is a large model, for which no {part} can be trained. Choose "
                    "another sampler."
                )
            if folder != _UNTRAINED:
                values[part] = LEARNED[part](model, "" if folder == _OWN else folder)
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


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _name_of(default: Any, part: str) -> str:
    return next(name for name, cls in PARTS[part].items() if cls is type(default))
