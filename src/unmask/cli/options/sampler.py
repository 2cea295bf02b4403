"""`--sampler NAME` and the options of that sampler, in dotted form.

`unmask generate --sampler ancestral --help` shows the options of ancestral sampling. A whole spec
may stand for the name, as in --sampler "ancestral(num_steps=16)": options behind it override it.

A part that was trained for a model (LEARNED) is named by its folder; "own" is the one that lies
with the model, and what a sampler uses that cannot do without.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from jsonargparse import Namespace

from unmask.cli.options.choices import choose, has_default
from unmask.cli.options.parser import Parser
from unmask.errors import ConfigError
from unmask.models.chat import ChatModel
from unmask.models.text import TextModel
from unmask.samplers.registry import PARTS, SAMPLERS
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.spec import read_sampler
from unmask.speculation.filters import Filter

LEARNED: dict[str, Callable[[TextModel, str | None], Any]] = {
    "policy": TextModel.policy,
    "error_predictor": TextModel.error_head,
}
"""The fields of samplers that are trained, and how a model reads one from a folder."""

_OWN, _UNTRAINED = "own", "untrained"


def _without_spec(
    arguments: Sequence[str], samplers: Mapping[str, type]
) -> tuple[list[str], Sampler]:
    """The command line with the plain name in the place of a spec, and what the spec says."""
    rest = list(arguments)
    found: Sampler = SelfSpeculative()
    for place, argument in enumerate(rest):
        before, is_joined, spec = argument.partition("--sampler=")
        if not is_joined and place and rest[place - 1] == "--sampler":
            before, spec = "", argument
        if before or "(" not in spec:
            continue
        found = read_sampler(spec)
        name = spec.partition("(")[0].strip()
        rest[place] = f"{is_joined}{name}"
    return rest, found


class SamplerOptions:
    """The sampler options of one verb, for one command line."""

    def __init__(
        self, parser: Parser, arguments: Sequence[str], samplers: Mapping[str, type] = SAMPLERS
    ) -> None:
        arguments, usual = _without_spec(arguments, samplers)
        self._choice = choose(arguments, "sampler", samplers, usual, PARTS)
        self.name = self._choice.name
        """Of the sampler."""
        self.is_chosen = any(argument.startswith("--sampler") for argument in arguments)
        """Whether the command line says anything about it."""
        self.is_filtered = any(
            argument.startswith(("--temperature", "--top-p")) for argument in arguments
        )
        """Whether it says how probabilities are sharpened."""
        sharpened = getattr(usual, "filter", Filter())
        parser.add_argument(
            "--temperature",
            type=float,
            default=sharpened.temperature,
            help="Temperature of the draws: 1 samples the model, 0 takes the best token.",
        )
        parser.add_argument(
            "--top-p",
            type=float,
            default=sharpened.top_p,
            help="Share of the probability from which tokens are drawn, in (0, 1]; 1: all.",
        )
        self._choice.add_to(parser, skip=frozenset({"filter", *LEARNED}))
        by_name = {field.name: field for field in fields(self._choice.chosen)}
        self._learned = [name for name in by_name if name in LEARNED]
        for part in self._learned:
            is_needed = not has_default(by_name[part])
            parser.add_argument(
                f"--sampler.{part}",
                type=str,
                default=_OWN if is_needed else _UNTRAINED,
                help=f"Folder of a trained one; {_OWN}: the model's."
                + ("" if is_needed else f" {_UNTRAINED}: a rule in its place."),
            )
        parser.epilog = (
            "Without --sampler the model's own is used (of text8s: lossless). Named before them, "
            "it decides which --sampler.* options there are. " + self._choice.explained()
        )
        self.rest = self._choice.without(arguments)
        """The command line without the names chosen, for the parser."""

    def build(self, options: Namespace, model: TextModel | ChatModel) -> Sampler:
        """The sampler that was asked for, with the trained parts it needs.

        Raises:
            ConfigError: choices that cannot work.
            CheckpointError: a trained part is not there, or its files are damaged.
        """
        if not self.is_chosen and isinstance(model, TextModel):
            return model.default_sampler_with(self.filter(options))
        values: dict[str, Any] = options.get("sampler", Namespace()).as_dict()
        shared: dict[str, Any] = {"filter": self.filter(options)}
        for part in self._learned:
            folder = values.pop(part)
            if isinstance(model, ChatModel):
                raise ConfigError(
                    f"{model.name} is a large model, for which no {part} can be trained. Choose "
                    "another sampler."
                )
            if folder != _UNTRAINED:
                shared[part] = LEARNED[part](model, None if folder == _OWN else folder)
        sampler: Sampler = self._choice.build(values, shared)
        return sampler

    def filter(self, options: Namespace) -> Filter:
        """What --temperature and --top-p ask for."""
        return Filter(temperature=options.temperature, top_p=options.top_p)
