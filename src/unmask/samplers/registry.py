"""The samplers by name, and the names of the parts that some of them are made of.

What the command line offers, and what a report says was run. A package that is installed adds
samplers of its own by entry points of the group "unmask.samplers":

    [project.entry-points."unmask.samplers"]
    coin-flip = "my_package:CoinFlip"

`unmask check-sampler coin-flip` says whether it keeps the rules (evaluation/sampler_check.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from unmask.errors import ConfigError
from unmask.named import Named
from unmask.process.blocks import BLOCKS
from unmask.process.grids import GRIDS
from unmask.process.remasking import REMASKINGS
from unmask.process.schedules import SCHEDULES
from unmask.process.windows import WINDOWS
from unmask.samplers.ancestral import Ancestral
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.dilated import Dilated
from unmask.samplers.draft_verify import DraftVerify
from unmask.samplers.entropy_bounded import EntropyBounded
from unmask.samplers.factor import Factor
from unmask.samplers.first_hitting import FirstHitting
from unmask.samplers.fixed_partition import FixedPartition
from unmask.samplers.klass import Klass
from unmask.samplers.learned_policy import LearnedPolicy
from unmask.samplers.lookahead import Lookahead
from unmask.samplers.lossless import Lossless
from unmask.samplers.lossless_branching import LosslessBranching
from unmask.samplers.maskgit import MaskGIT
from unmask.samplers.prefix_verify import PrefixVerify
from unmask.samplers.remdm import ReMDM
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_draft import SelfDraft
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.star_shaped import StarShaped
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.threshold import Threshold
from unmask.samplers.top_k import TopKEntropy, TopKMargin
from unmask.samplers.wino import Wino

_GROUP = "unmask.samplers"


class _Samplers(Mapping[str, type]):
    """Our own, then those of other packages, which are imported when one is asked for."""

    def __init__(self, own: Iterable[type[Named]]) -> None:
        self._own: dict[str, type] = {rule.name: rule for rule in own}

    def __getitem__(self, name: str) -> type:
        return self._own[name] if name in self._own else _imported(self._others()[name])

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._others()

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in self._others() if name not in self._own)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _others(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=_GROUP)}


def _imported(point: EntryPoint) -> type:
    """The class behind an entry point. Raises `ConfigError` if it is none that can be used."""
    said = f"the sampler {point.name!r}, which an installed package has at {point.value},"
    try:
        found = point.load()
    except Exception as error:
        raise ConfigError(
            f"{said} cannot be imported: {error!r:.200}. Mend or uninstall that package."
        ) from error
    if not (isinstance(found, type) and is_dataclass(found) and issubclass(found, Sampler)):
        raise ConfigError(
            f"{said} is no dataclass with the methods init and step "
            "(unmask/samplers/sampler.py). Mend or uninstall that package."
        )
    return found


SAMPLERS: Mapping[str, type] = _Samplers(
    (
        SelfSpeculative,
        TargetOnly,
        FixedPartition,
        Lossless,
        LosslessBranching,
        Autoregressive,
        Ancestral,
        FirstHitting,
        MaskGIT,
        TopKMargin,
        TopKEntropy,
        SemiAutoregressive,
        Threshold,
        Factor,
        EntropyBounded,
        Klass,
        Dilated,
        ReMDM,
        StarShaped,
        Lookahead,
        LearnedPolicy,
        DraftVerify,
        Wino,
        SelfDraft,
        PrefixVerify,
    )
)
"""Every sampler, by the name it has on the command line."""


def sampler_names() -> tuple[str, ...]:
    """The names of all samplers, as `--sampler` and specs have them."""
    return tuple(SAMPLERS)


DRAFTERS: dict[str, type] = {
    name: SAMPLERS[name]
    for name in (
        "threshold", "factor", "entropy-bounded", "klass", "dilated", "semi-autoregressive",
    )
}  # fmt: skip
"""The samplers that can draft for another: they go on from any tokens, some masked again."""

PARTS: dict[str, Mapping[str, type]] = {
    "window": WINDOWS,
    "grid": GRIDS,
    "schedule": SCHEDULES,
    "blocks": BLOCKS,
    "remasking": REMASKINGS,
    "drafter": DRAFTERS,
}
"""The choices for the fields of a sampler that are choices with fields of their own."""


def describe(sampler: object) -> dict[str, Any]:
    """A sampler as plain JSON: its name, its fields, and the same of its parts."""
    described: dict[str, Any] = {"name": getattr(sampler, "name", type(sampler).__name__)}
    assert is_dataclass(sampler)
    for field in fields(sampler):
        value = getattr(sampler, field.name)
        if is_dataclass(value):
            described[field.name] = describe(value)
        elif callable(value):
            # A part that was trained; its weights do not belong into a description.
            described[field.name] = {"name": type(value).__name__}
        else:
            # JSON has no infinity.
            described[field.name] = str(value) if value == float("inf") else value
    return described
