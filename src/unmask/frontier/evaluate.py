"""Measure samplers at budgets, one point after another, and keep each as soon as it is there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from unmask.errors import ConfigError
from unmask.frontier.budget import knob_for, why_skipped
from unmask.frontier.entries import Contender, check_is_contender
from unmask.frontier.folder import ReportFolder
from unmask.frontier.measure import check_sampling, measure_point
from unmask.models.text import TextModel
from unmask.quality.judges import Judge


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """Which samplers are compared, at how many passes, on how many samples."""

    samplers: tuple[str, ...] = (
        "self-speculative/spaced-few-rounds",
        "self-speculative",
        "ancestral",
        "entropy-bounded",
    )
    """By default those of a model that reads any order; see `usual`."""
    budgets: tuple[float, ...] = (8, 16, 32, 64)
    num_samples: int = 64
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        for name in self.samplers:
            check_is_contender(name)
        for name, values in (("samplers", self.samplers), ("budgets", self.budgets)):
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"{name} must name one or more, each once, got {values}.")
        if min(self.budgets) < 1:
            raise ConfigError(
                f"a budget is a number of network passes per sample, at least 1; got "
                f"{min(self.budgets):g}. 8,16,32,64 is a good start for 256 tokens."
            )
        check_sampling(self.num_samples, self.batch_size)

    def points(self) -> list[tuple[str, float]]:
        """Budget by budget, so that a first comparison is there early."""
        return [(name, budget) for budget in sorted(self.budgets) for name in self.samplers]


CAUSAL_SAMPLERS = (
    "lossless",
    "self-speculative/left-to-right",
    "fixed-partition/left-to-right",
    "autoregressive",
)
CAUSAL_BUDGETS = (32.0, 64.0, 128.0, 230.0)
"""The last is what one token per pass takes, 256 passes through eight blocks of nine."""


def usual(model: TextModel) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The samplers and budgets that are compared on a model if nothing else is asked for."""
    if model.network.config.is_causal:
        names = CAUSAL_SAMPLERS if model.network.config.has_tail else ("autoregressive",)
        return names, CAUSAL_BUDGETS
    return SweepPlan.samplers, SweepPlan.budgets


Advance = Callable[[str, float, float], None]
"""Told the sampler and budget at work, and which share of the whole plan is done."""


def _ignore(name: str, budget: float, share: float) -> None:
    pass


def measured_points(
    compared: Mapping[str, Contender],
    plan: SweepPlan,
    folder: ReportFolder,
    *,
    judge: Judge | None = None,
    advance: Advance = _ignore,
) -> list[dict[str, Any]]:
    """Every point of the plan, measured now or read from the folder.

    `compared` are the contenders by name, all that the plan names.

    A point is the JSON of a `Measurement` with the family's name, the budget, the spec of the
    sampler that was run, and the judge's bits per token of each sample. One that cannot be had (no
    setting of the sampler comes near the budget) holds a sentence under "skipped" instead.

    Raises `ConfigError` if a point in the folder was measured with other weights.
    """
    total = sum(budget for _, budget in plan.points())
    done, points = 0.0, []
    for name, budget in plan.points():
        point = folder.read_point(name, budget, compared[name].weights)
        if point is None:
            tell = _share_of(plan, partial(advance, name, budget), done / total, budget / total)
            point = _measured(compared[name], plan, budget, tell)
            folder.write_point(name, budget, point)
        if judge is not None and "skipped" not in point and "judge_bits" not in point:
            found = judge.judged(point["texts"])
            point["judge_bits"] = [
                bits / units if units else 0.0
                for bits, units in zip(found.numerator, found.denominator, strict=True)
            ]
            point["judge_units"] = list(found.denominator)
            folder.write_point(name, budget, point)
        points.append(point)
        done += budget
        advance(name, budget, done / total)
    return points


def _usual_given(model: TextModel) -> Tensor:
    """What is given of a sample of usual length."""
    length = model.length if model.lengths is None else round(model.lengths.mean)
    return model.given_ids(length=length).to(model.network.device)


def _share_of(
    plan: SweepPlan, advance: Callable[[float], None], before: float, share: float
) -> Callable[[int], None]:
    """From the number of samples of one point to the share of the whole plan."""
    return lambda num_samples: advance(before + share * num_samples / plan.num_samples)


def _measured(
    contender: Contender,
    plan: SweepPlan,
    budget: float,
    tell: Callable[[int], None],
) -> dict[str, Any]:
    model, chosen = contender.model, contender.family
    point = {"family": contender.name, "budget": budget, "weights": contender.weights}
    nfe_of = model.network.config.nfe
    knob, nfe = knob_for(chosen, model.network, budget, given_ids=_usual_given(model), nfe=nfe_of)
    if reason := why_skipped(nfe, budget):
        return {**point, "skipped": reason}
    sampler = chosen.make(knob)
    found = measure_point(
        model,
        sampler,
        num_samples=plan.num_samples,
        seed=plan.seed,
        batch_size=plan.batch_size,
        observe=tell,
    )
    return {**point, "knob": knob, "spec": str(sampler), **found}
