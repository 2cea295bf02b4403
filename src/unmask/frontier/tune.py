"""Window and verify rounds of the self-speculative sampler, chosen for a wish on a given model.

A ladder is a number N of verify rounds; its rungs are windows from dtau = 1, everything at once,
down to one token a window, each 2^(1/4) narrower than the one below it:

    dtau_j = 2^(-j/4),   j = 0, 1, ...  until  dtau_j <= 2 / (pi D).

Narrower windows take more passes and, as every trunk pass sees more, give better samples.
How the ladders are searched: search.py.
"""

import math
import time
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from typing import Any

from unmask.errors import ConfigError
from unmask.evaluation.spelling import spelling_accuracy
from unmask.frontier.measure import check_sampling, measure_point
from unmask.frontier.search import Bench, Effort, OutOfTime, Trial, Wish, settled
from unmask.frontier.summary import summarise
from unmask.model import Model
from unmask.process.windows import Cosine
from unmask.samplers.ordered import OrderChoice
from unmask.samplers.self_speculative import SelfSpeculative

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
class Plan:
    """How much a search may measure, and along which orders."""

    order: OrderChoice = SelfSpeculative.order
    """Of every setting."""
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

    setting: Setting
    point: dict[str, Any]
    """Its fresh samples in numbers, as in a report."""
    num_settings: int
    """Measured on the way to it."""
    num_samples: int
    """Taken on the way to it, of all settings together."""
    seconds: float
    """The way to it took."""


Advance = Callable[[int, Setting], None]
"""Told how many samples were taken in all, and the setting at work."""


def _ignore(num_samples: int, setting: Setting) -> None:
    pass


def tune(
    model: Model,
    wish: Wish,
    known_words: Set[str],
    plan: Plan | None = None,
    *,
    advance: Advance = _ignore,
) -> Tuned:
    """The setting that meets a wish best, measured on samples that the search has not seen.

    Raises:
        ConfigError: no setting meets it, or none was found in time.
    """
    plan = plan or Plan()
    rig = _Rig(model, known_words, plan, advance)
    bench = Bench(rig.in_search, plan.effort)
    try:
        place = wish.find(ladders(model.length, plan.order), bench)
    except OutOfTime:
        raise ConfigError(
            f"no setting was found in {plan.max_seconds:g} seconds. Allow more, or take fewer "
            "samples."
        ) from None
    seconds = time.monotonic() - rig.start
    setting = settled(wish, place, rig.on_fresh_samples).setting
    return Tuned(
        setting=setting,
        point=summarise(rig.fresh[setting], known_words),
        num_settings=len(bench.trials),
        num_samples=sum(len(trial.nfe) for trial in bench.trials.values()),
        seconds=seconds,
    )


@dataclass
class _Rig:
    """Measures settings of a model, and keeps what it measured on fresh samples."""

    model: Model
    known_words: Set[str]
    plan: Plan
    advance: Advance

    start: float = field(default_factory=time.monotonic)
    num_samples: int = 0
    fresh: dict[Setting, dict[str, Any]] = field(default_factory=dict)

    def in_search(self, setting: Setting, samples: range) -> Trial:
        if time.monotonic() - self.start > self.plan.max_seconds:
            raise OutOfTime
        first = _SEARCH_SEED + self.plan.seed + samples.start
        return self._trial(self._point(setting, first, len(samples)))

    def on_fresh_samples(self, setting: Setting) -> Trial:
        self.fresh[setting] = self._point(setting, self.plan.seed, self.plan.num_samples)
        return self._trial(self.fresh[setting])

    def _point(self, setting: Setting, seed: int, num_samples: int) -> dict[str, Any]:
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
        return {"family": "self-speculative", "budget": setting.dtau, "knob": setting.dtau} | found

    def _trial(self, point: dict[str, Any]) -> Trial:
        return Trial(tuple(point["nfe"]), spelling_accuracy(point["texts"], self.known_words))
