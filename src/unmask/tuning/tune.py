"""Window and verify rounds of a sampler, chosen for a goal on a given model.

A ladder is a number N of verify rounds; its rungs are windows from dtau = 1, everything at once,
down to one token a window, each 2^(1/4) narrower than the one below it:

    dtau_j = 2^(-j/4),   j = 0, 1, ...  until  dtau_j <= 2 / (pi D).

Narrower windows take more passes and, as every trunk pass sees more, give better samples.

Of a causal trunk the windows are of 16, 12, 8, 6, 4, 3, 2 tokens, as far as it drafts them; one
ladder is lossless, and its top and that of the others is one token per pass. A pass of either
kind of model counts by its blocks, whatever it runs: what is asked for is how long it takes to
wait for them one after the other. How the ladders are searched: search.py.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from unmask.errors import ConfigError
from unmask.frontier.measure import check_sampling, measure_point
from unmask.frontier.summary import samples_of, summarise
from unmask.models.text import TextModel
from unmask.process.windows import Cosine, Fixed
from unmask.quality.quality import Quality
from unmask.samplers.autoregressive import Autoregressive
from unmask.samplers.common.ordered_state import OrderChoice, check_reads_order
from unmask.samplers.lossless import Lossless
from unmask.samplers.sampler import Sampler
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.tuning.search import Effort, Goal, OutOfTime, Trial, Trials, settled

ROUNDS = (2, 1, 4, 8, 16)
"""The ladders; those that are the likeliest to hold the answer come first."""
_SEARCH_SEED = 1 << 41  # seeds that no report will use


@dataclass(frozen=True)
class Setting:
    """One rung."""

    dtau: float
    verify_rounds: int
    order: OrderChoice

    def __str__(self) -> str:
        return f"N={self.verify_rounds} dtau={self.dtau:g} order={self.order}"

    @property
    def sampler(self) -> SelfSpeculative:
        return SelfSpeculative(
            window=Cosine(self.dtau), verify_rounds=self.verify_rounds, order=self.order
        )

    @property
    def options(self) -> str:
        """The options of the command line that choose it."""
        return (
            f"--sampler.window.dtau {self.dtau:g} --sampler.verify-rounds {self.verify_rounds} "
            f"--sampler.order {self.order}"
        )


@dataclass(frozen=True)
class CausalSetting:
    """One rung, of a causal trunk."""

    num_tokens: int
    """Of a window; 1: one token per pass."""
    verify_rounds: int
    """0: lossless."""

    def __str__(self) -> str:
        if self.num_tokens == 1:
            return "one token per pass"
        rounds = f"N={self.verify_rounds}" if self.verify_rounds else "lossless"
        return f"{rounds} windows of {self.num_tokens}"

    @property
    def sampler(self) -> Sampler:
        if self.num_tokens == 1:
            return Autoregressive()
        if self.verify_rounds == 0:
            return Lossless(num_tokens=self.num_tokens)
        return SelfSpeculative(
            window=Fixed(self.num_tokens), verify_rounds=self.verify_rounds, order="left-to-right"
        )

    @property
    def options(self) -> str:
        """The options of the command line that choose it."""
        if self.num_tokens == 1:
            return "--sampler autoregressive"
        if self.verify_rounds == 0:
            return f"--sampler lossless --sampler.num-tokens {self.num_tokens}"
        return (
            "--sampler self-speculative --sampler.order left-to-right --sampler.window fixed "
            f"--sampler.window.num-tokens {self.num_tokens} "
            f"--sampler.verify-rounds {self.verify_rounds}"
        )


AnySetting = Setting | CausalSetting


def causal_ladders(max_window: int) -> list[list[CausalSetting]]:
    """Every setting that is looked at, of a causal trunk that drafts so many tokens."""
    widths = [width for width in (16, 12, 8, 6, 4, 3, 2) if width <= max_window]
    top = CausalSetting(1, 0)
    return [[*(CausalSetting(width, rounds) for width in widths), top] for rounds in (0, *ROUNDS)]


def ladders(length: int, order: OrderChoice) -> list[list[Setting]]:
    """Every setting that is looked at, for sequences of so many tokens, along one kind of order.

    The top is the same for all: where a window is one token, there is nothing to verify twice.
    """
    num_rungs = 1 + max(0, math.ceil(4 * math.log2(math.pi * length / 2)))
    widths = [float(f"{2 ** (-j / 4):.2g}") for j in range(num_rungs)]
    *wider, narrowest = widths
    top = Setting(narrowest, 1, order)
    return [[*(Setting(dtau, rounds, order) for dtau in wider), top] for rounds in ROUNDS]


@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """How much a search may measure, and along which orders."""

    order: OrderChoice | None = None
    """Of every setting; None: random, or from left to right where the trunk is causal."""
    num_samples: int = 256
    """Of the setting that is found, and the most of any on the way."""
    seed: int = 0
    batch_size: int = 32
    max_seconds: float = math.inf
    """After which nothing is tried any more; what was found by then is measured."""

    def __post_init__(self) -> None:
        check_sampling(self.num_samples, self.batch_size)
        if not self.max_seconds > 0:
            raise ConfigError(f"max_seconds must be above 0, got {self.max_seconds:g}.")

    @property
    def effort(self) -> Effort:
        return Effort(first_round=min(32, self.num_samples), most=self.num_samples)


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What a search has found."""

    setting: AnySetting
    point: dict[str, Any]
    """Its fresh samples in numbers, as in a report."""
    num_settings: int
    """Measured on the way to it."""
    num_samples: int
    """Taken on the way to it, of all settings together."""
    seconds: float
    """The way to it took."""


Advance = Callable[[int, AnySetting], None]
"""Told how many samples were taken in all, and the setting at work."""


def _ignore(num_samples: int, setting: AnySetting) -> None:
    pass


def tune(
    model: TextModel,
    goal: Goal,
    quality: Quality,
    plan: SearchPlan | None = None,
    *,
    advance: Advance = _ignore,
) -> Tuned:
    """The setting that meets a goal best, measured on samples that the search has not seen.

    Raises:
        ConfigError: no setting meets it, or none was found in time.
    """
    plan = plan or SearchPlan()
    rig = _Rig(model, quality, plan, advance)
    bench = Trials(rig.in_search, plan.effort)
    try:
        place = goal.find(_ladders_of(model, plan.order), bench)
    except OutOfTime:
        raise ConfigError(
            f"no setting was found in {plan.max_seconds:g} seconds. Allow more, or take fewer "
            "samples."
        ) from None
    seconds = time.monotonic() - rig.start
    setting = settled(goal, place, rig.on_fresh_samples).setting
    return Tuned(
        setting=setting,
        point=summarise(rig.fresh[setting], quality),
        num_settings=len(bench.trials),
        num_samples=sum(len(trial.nfe) for trial in bench.trials.values()),
        seconds=seconds,
    )


def _ladders_of(model: TextModel, order: OrderChoice | None) -> Sequence[Sequence[AnySetting]]:
    config = model.network.config
    if not config.is_causal:
        return ladders(model.length, order or SelfSpeculative.order)
    check_reads_order(order or "left-to-right", model.network)
    if not config.has_tail:
        raise ConfigError(
            f"{model.name} has no tail, so there is one way to sample it: one token per pass "
            "(--sampler autoregressive). Tune a model that drafts and verifies, such as text8s."
        )
    return causal_ladders(config.max_window)


@dataclass
class _Rig:
    """Measures settings of a model, and keeps what it measured on fresh samples."""

    model: TextModel
    quality: Quality
    plan: SearchPlan
    advance: Advance

    start: float = field(default_factory=time.monotonic)
    num_samples: int = 0
    fresh: dict[AnySetting, dict[str, Any]] = field(default_factory=dict)

    def in_search(self, setting: AnySetting, samples: range) -> Trial:
        if time.monotonic() - self.start > self.plan.max_seconds:
            raise OutOfTime
        first = _SEARCH_SEED + self.plan.seed + samples.start
        return self._trial(self._point(setting, first, len(samples)))

    def on_fresh_samples(self, setting: AnySetting) -> Trial:
        self.fresh[setting] = self._point(setting, self.plan.seed, self.plan.num_samples)
        return self._trial(self.fresh[setting])

    def _point(self, setting: AnySetting, seed: int, num_samples: int) -> dict[str, Any]:
        before = self.num_samples
        found = measure_point(
            self.model,
            setting.sampler,
            num_samples=num_samples,
            seed=seed,
            batch_size=self.plan.batch_size,
            observe=lambda done: self.advance(before + done, setting),
        )
        self.num_samples += num_samples
        knob = setting.dtau if isinstance(setting, Setting) else float(setting.num_tokens)
        return {"family": str(setting), "budget": knob, "knob": knob} | found

    def _trial(self, point: dict[str, Any]) -> Trial:
        found = self.quality.of_each(samples_of(point))
        return Trial(tuple(point["critical_path"]), found, self.quality.main)
