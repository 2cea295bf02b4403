"""Which of many settings meets a goal best, found from noisy measurements of each.

Settings come as ladders. Up a ladder, rung by rung, passes c and quality q both rise. Wishes:

    MaxNFE         the highest q  with  c <= limit
    TargetQuality  the lowest c   with  q >= target

MaxNFE. On each ladder the highest affordable rung is the best; a few samples find it, since
passes vary little. Those rungs, one a ladder, then race: every round brings them to twice the
samples and keeps the better half (successive halving).

TargetQuality. With c* the passes of the best rung so far, another ladder can win only by a rung
with c < c*, and if the highest of those misses the target, so do all below it. Whether a rung
reaches the target is asked of twice as many samples again and again, until the answer is two
standard errors clear or the samples allowed are spent; then the mean decides.

Sample n has the same seed in every setting. What is chosen for its measurement looks better
than it is, so the setting found is measured again on fresh samples. If these contradict it (too
many passes, or a quality two standard errors short), the next rung is measured in its place.

Source of the halving: Karnin, Koren & Somekh (2013), "Almost optimal exploration in multi-armed
bandits".
"""

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from unmask.errors import ConfigError
from unmask.evaluation.ratio_of_sums import RatioOfSums
from unmask.quality.quality import Measure
from unmask.quality.texts import SPELLING

_STRIDE = 4
"""Rungs taken at a time on the way up a ladder, until one is too high."""
_CLEAR = 2.0
"""Standard errors that make a difference clear."""

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Trial:
    """Some samples of one setting."""

    nfe: tuple[float, ...]
    quality: RatioOfSums
    measure: Measure = SPELLING
    """What the quality is a value of."""

    def __add__(self, other: "Trial") -> "Trial":
        return Trial(self.nfe + other.nfe, self.quality + other.quality, self.measure)

    def __str__(self) -> str:
        quality = f"{self.quality.value:.3f} ± {self.quality.standard_error:.3f}"
        return f"{self.measure.label} {quality} at {self.mean_nfe:.1f} NFE"

    @property
    def score(self) -> float:
        """Its quality, so that more is better."""
        return -self.quality.value if self.measure.is_better < 0 else self.quality.value

    @property
    def mean_nfe(self) -> float:
        return sum(self.nfe) / len(self.nfe)


class OutOfTime(Exception):
    """Raised by a measurement that must not be made any more."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How many samples of a setting a search takes."""

    pilot: int = 8
    """To learn what it costs."""
    first_round: int = 32
    """To learn, at first, how good it is."""
    most: int = 256
    """However close it is."""

    def rounds(self) -> Iterator[int]:
        """Numbers of samples, each twice the last, up to the most."""
        num_samples = self.first_round
        while num_samples < self.most:
            yield num_samples
            num_samples *= 2
        yield self.most


class Trials(Generic[T]):
    """What was measured so far of each setting; samples are added as they are asked for."""

    def __init__(self, measure: Callable[[T, range], Trial], effort: Effort) -> None:
        self.measure, self.effort = measure, effort
        self.trials: dict[T, Trial] = {}

    def trial(self, setting: T, num_samples: int) -> Trial:
        """At least so many samples of a setting, the first ones."""
        known = self.trials.get(setting)
        num_known = len(known.nfe) if known else 0
        if num_known < num_samples:
            new = self.measure(setting, range(num_known, num_samples))
            self.trials[setting] = known + new if known else new
        return self.trials[setting]

    def nfe(self, setting: T) -> float:
        """Its passes per sample, from a few."""
        return self.trial(setting, self.effort.pilot).mean_nfe

    def quality(self, setting: T) -> float:
        """Its quality, from the samples there are."""
        return self.trials[setting].score

    def reaches(self, setting: T, target: float) -> bool:
        """Whether its quality is at least the target, as far as can be seen."""
        for num_samples in self.effort.rounds():
            trial = self.trial(setting, num_samples)
            if abs(trial.quality.value - target) > _CLEAR * trial.quality.standard_error:
                break
        return trial.score >= (-target if trial.measure.is_better < 0 else target)


@dataclass(frozen=True)
class Place(Generic[T]):
    """One rung of one ladder."""

    ladder: Sequence[T]
    rung: int

    @property
    def setting(self) -> T:
        return self.ladder[self.rung]


@runtime_checkable
class Goal(Protocol):
    """What is asked of a setting."""

    def find(self, ladders: Sequence[Sequence[T]], bench: Trials[T]) -> Place[T]:
        """The place that meets it best, as far as the bench can tell.

        Raises:
            ConfigError: no place does; says what comes nearest.
            OutOfTime: none was found in time.
        """
        ...

    def correction(self, trial: Trial) -> int:
        """How many rungs to go up (or down) from a setting that was measured so."""
        ...


@dataclass(frozen=True)
class MaxNFE:
    """The best quality that so many passes can buy."""

    limit: float

    def find(self, ladders: Sequence[Sequence[T]], bench: Trials[T]) -> Place[T]:
        racing: list[Place[T]] = []
        try:
            for ladder in ladders:
                num_affordable = num_before(ladder, lambda s: bench.nfe(s) > self.limit)
                if num_affordable:
                    racing.append(Place(ladder, num_affordable - 1))
            for num_samples in bench.effort.rounds():
                if len(racing) < 2:
                    break
                for place in racing:
                    bench.trial(place.setting, num_samples)
                racing = _best_first(racing, bench)[: (len(racing) + 1) // 2]
        except OutOfTime:
            if not racing:
                raise
        if not racing:
            setting, trial = min(bench.trials.items(), key=lambda item: item[1].mean_nfe)
            raise ConfigError(
                f"no setting makes do with {self.limit:g} NFE; the cheapest that was seen, "
                f"{setting}, takes {trial.mean_nfe:.1f}. Allow more."
            )
        return _best_first(racing, bench)[0]

    def correction(self, trial: Trial) -> int:
        return -1 if trial.mean_nfe > self.limit else 0


@dataclass(frozen=True)
class TargetQuality:
    """The fewest passes that buy a quality."""

    target: float

    def find(self, ladders: Sequence[Sequence[T]], bench: Trials[T]) -> Place[T]:
        best: Place[T] | None = None
        try:
            for ladder in ladders:
                best = self._cheaper(ladder, best, bench) or best
        except OutOfTime:
            if best is None:
                raise
        if best is None:
            setting, trial = max(bench.trials.items(), key=lambda item: item[1].score)
            raise ConfigError(
                f"no setting reaches a {trial.measure.label} of {self.target:g}; the best that "
                f"was seen is {setting}, {trial}. Ask for less, or train the model longer."
            )
        return best

    def _cheaper(
        self, ladder: Sequence[T], best: Place[T] | None, bench: Trials[T]
    ) -> Place[T] | None:
        """The lowest rung of a ladder that reaches the target with fewer passes than the best."""
        if best is None:
            is_hopeless = bench.trials and ladder and not bench.reaches(ladder[-1], self.target)
            if is_hopeless:  # an earlier ladder failed, and so does the top of this one
                return None
            rung = num_before(ladder, lambda s: bench.reaches(s, self.target))
            return Place(ladder, rung) if rung < len(ladder) else None
        fewest = bench.nfe(best.setting)
        above = num_before(ladder, lambda s: bench.nfe(s) >= fewest)
        rung = above
        # From the top, since what is cheaper and still reaches it can only be a little cheaper.
        while rung and bench.reaches(ladder[rung - 1], self.target):
            rung -= 1
        return Place(ladder, rung) if rung < above else None

    def correction(self, trial: Trial) -> int:
        short = self.target - trial.quality.value
        if trial.measure.is_better < 0:
            short = -short
        return 1 if short > _CLEAR * trial.quality.standard_error else 0


def num_before(ladder: Sequence[T], holds: Callable[[T], bool]) -> int:
    """How many rungs come before the first that something holds for; it holds from there on up.

    Goes up in strides, then bisects the last one: what lies far above is never tried.
    """
    start = 0
    while start < len(ladder):
        last = min(start + _STRIDE, len(ladder)) - 1
        if holds(ladder[last]):
            return bisect_left(ladder, True, start, last, key=holds)
        start = last + 1
    return start


def settled(goal: Goal, place: Place[T], measure: Callable[[T], Trial]) -> Place[T]:
    """The place, or the nearest one on its ladder, that fresh samples do not contradict.

    Raises `ConfigError` if the ladder ends first.
    """
    while step := goal.correction(trial := measure(place.setting)):
        rung = place.rung + step
        if not 0 <= rung < len(place.ladder):
            raise ConfigError(
                f"what the search found does not hold on fresh samples: {place.setting} has "
                f"{trial}, and no setting beyond it is left. Ask for less."
            )
        place = Place(place.ladder, rung)
    return place


def _best_first(places: list[Place[T]], bench: Trials[T]) -> list[Place[T]]:
    """By falling quality; the cheaper first where it is the same."""
    return sorted(places, key=lambda p: (-bench.quality(p.setting), bench.nfe(p.setting)))
