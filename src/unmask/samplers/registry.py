"""The samplers by name, and the names of the parts that some of them are made of.

What the command line offers, and what a report says was run.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

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
from unmask.samplers.self_draft import SelfDraft
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.semi_autoregressive import SemiAutoregressive
from unmask.samplers.star_shaped import StarShaped
from unmask.samplers.target_only import TargetOnly
from unmask.samplers.threshold import Threshold
from unmask.samplers.top_k import TopKEntropy, TopKMargin
from unmask.samplers.wino import Wino

SAMPLERS: dict[str, type] = {
    "self-speculative": SelfSpeculative,
    "target-only": TargetOnly,
    "fixed-partition": FixedPartition,
    "lossless": Lossless,
    "lossless-branching": LosslessBranching,
    "autoregressive": Autoregressive,
    "ancestral": Ancestral,
    "first-hitting": FirstHitting,
    "maskgit": MaskGIT,
    "top-k-margin": TopKMargin,
    "top-k-entropy": TopKEntropy,
    "semi-autoregressive": SemiAutoregressive,
    "threshold": Threshold,
    "factor": Factor,
    "entropy-bounded": EntropyBounded,
    "klass": Klass,
    "dilated": Dilated,
    "remdm": ReMDM,
    "star-shaped": StarShaped,
    "lookahead": Lookahead,
    "learned-policy": LearnedPolicy,
    "draft-verify": DraftVerify,
    "wino": Wino,
    "self-draft": SelfDraft,
    "prefix-verify": PrefixVerify,
}
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
    names = {cls: name for choices in (SAMPLERS, *PARTS.values()) for name, cls in choices.items()}
    described: dict[str, Any] = {"name": names.get(type(sampler), type(sampler).__name__)}
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
