"""The search on ladders whose costs and qualities are known, with noise and without."""

import random
import statistics
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import ConfigError
from unmask.evaluation.ratio_of_sums import RatioOfSums
from unmask.tuning.search import (
    Effort,
    MaxNFE,
    OutOfTime,
    Place,
    TargetQuality,
    Trial,
    Trials,
    num_before,
    settled,
)

WORDS = 10_000
"""In a sample, so that qualities are exact to four digits."""


@dataclass(frozen=True)
class Known:
    """A setting of which everything is known."""

    name: str
    nfe: float
    quality: float


def exact(setting, samples):
    n = len(samples)
    correct = round(setting.quality * WORDS)
    return Trial(
        (setting.nfe,) * n,
        RatioOfSums((float(correct),) * n, (float(WORDS),) * n),
    )


def noisy(seed):
    """About as samples of 256 characters scatter: 0.07 in quality, 0.5 in passes."""

    def measure(setting, samples):
        chance = [random.Random(f"{seed} {setting.name} {n}") for n in samples]
        correct = tuple(round(45 * min(1, max(0, c.gauss(setting.quality, 0.07)))) for c in chance)
        return Trial(
            tuple(c.gauss(setting.nfe, 0.5) for c in chance),
            RatioOfSums(tuple(map(float, correct)), (45.0,) * len(samples)),
        )

    return measure


@st.composite
def ladders(draw):
    """Passes and qualities that rise, by steps of at least one and at least 0.0001."""
    found = []
    for k in range(draw(st.integers(1, 4))):
        steps = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 200)), max_size=30))
        nfe, quality, ladder = 1, 0, []
        for j, (more_nfe, more_quality) in enumerate(steps):
            nfe, quality = nfe + more_nfe, quality + more_quality
            ladder.append(Known(f"{k}.{j}", nfe, quality / WORDS))
        found.append(ladder)
    return found


def search(goal, rungs, measure=exact, **effort):
    bench = Trials(measure, Effort(**effort))
    return goal.find(rungs, bench), bench


@given(rungs=ladders().filter(lambda rungs: any(rungs)), limit=st.integers(1, 280))
@settings(max_examples=100, deadline=None)
def test_with_exact_numbers_nothing_affordable_is_better(rungs, limit):
    everything = [setting for ladder in rungs for setting in ladder]
    affordable = [s for s in everything if s.nfe <= limit]
    if not affordable:
        with pytest.raises(ConfigError, match="no setting makes do with"):
            search(MaxNFE(limit), rungs)
        return
    found = search(MaxNFE(limit), rungs)[0].setting
    assert found.nfe <= limit
    assert found.quality == max(s.quality for s in affordable)
    dominating = [s for s in everything if s.nfe < found.nfe and s.quality >= found.quality]
    assert not dominating


@given(rungs=ladders().filter(lambda rungs: any(rungs)), target=st.integers(1, 3000))
@settings(max_examples=100, deadline=None)
def test_with_exact_numbers_nothing_cheaper_reaches_the_target(rungs, target):
    goal = TargetQuality(target / WORDS)
    reaching = [s for ladder in rungs for s in ladder if s.quality >= goal.target]
    if not reaching:
        with pytest.raises(ConfigError, match="no setting reaches"):
            search(goal, rungs)
        return
    found = search(goal, rungs)[0].setting
    assert found.quality >= goal.target
    assert found.nfe == min(s.nfe for s in reaching)


@given(length=st.integers(0, 40), first=st.integers(0, 45))
def test_the_first_rung_is_found_without_a_look_far_beyond_it(length, first):
    tried = []

    def holds(rung):
        tried.append(rung)
        return rung >= first

    assert num_before(range(length), holds) == min(first, length)
    assert all(rung <= first + 3 for rung in tried)
    assert len(tried) <= length / 4 + 3


# With noise.

STEPS = [1.19**j for j in range(5, 32)]


def curve(name, offset):
    """A ladder like those of text8s: quality rises by some 0.03 where passes double."""
    return [Known(f"{name} {nfe:.1f}", nfe, 0.68 + offset - 0.4 / nfe**0.7) for nfe in STEPS]


ARMS = [
    curve("a", -0.02),
    curve("b", -0.01),
    curve("c", 0.0),
    curve("d", -0.03),
    curve("e", -0.02),
]


def test_the_best_that_passes_can_buy_is_found_with_few_samples():
    best = max((s for ladder in ARMS for s in ladder if s.nfe <= 24), key=lambda s: s.quality)
    losses, spent = [], []
    for seed in range(25):
        place, bench = search(MaxNFE(24), ARMS, noisy(seed))
        losses.append(best.quality - place.setting.quality)
        spent.append(sum(len(trial.nfe) for trial in bench.trials.values()))
    assert statistics.mean(losses) < 0.006  # a ladder at random: 0.016
    assert max(spent) < 900


def test_the_fewest_passes_for_a_quality_are_found():
    cheapest = min(
        (s for ladder in ARMS for s in ladder if s.quality >= 0.62), key=lambda s: s.nfe
    )
    found = [search(TargetQuality(0.62), ARMS, noisy(seed))[0].setting for seed in range(15)]
    assert statistics.mean(s.quality for s in found) == pytest.approx(0.62, abs=0.01)
    assert statistics.mean(s.nfe for s in found) == pytest.approx(cheapest.nfe, rel=0.25)


def test_fresh_samples_are_free_of_the_luck_of_the_winner():
    same = [curve(name, 0.0) for name in "abcdefgh"]
    luck, fresh = [], []
    for seed in range(50):
        place, bench = search(MaxNFE(24), same, noisy(seed), most=64)
        truth = place.setting.quality
        luck.append(bench.quality(place.setting) - truth)
        trial = noisy(f"fresh {seed}")(place.setting, range(64))
        fresh.append(trial.quality.value - truth)
    error = 0.07 / 64**0.5 / 50**0.5
    assert statistics.mean(luck) > 3 * error
    assert abs(statistics.mean(fresh)) < 4 * error


@given(seed=st.integers(0, 10_000), rung=st.sampled_from(STEPS), more=st.floats(0, 0.1))
@settings(max_examples=30, deadline=None)
def test_what_is_settled_on_never_takes_more_passes_than_allowed(seed, rung, more):
    limit, measured = rung + more, {}  # so close that chance decides

    def fresh(setting):
        measured[setting] = noisy(f"fresh {seed}")(setting, range(16))
        return measured[setting]

    try:
        place, _ = search(MaxNFE(limit), ARMS, noisy(seed), most=16, first_round=16)
        found = settled(MaxNFE(limit), place, fresh).setting
    except ConfigError:
        assert limit < STEPS[0] + 1
        return
    assert measured[found].mean_nfe <= limit


def test_a_quality_that_fresh_samples_clearly_miss_is_bought_with_more_passes():
    ladder = curve("a", 0.0)
    low = Place(ladder, 3)
    goal = TargetQuality(ladder[9].quality)
    found = settled(goal, low, lambda s: exact(s, range(16)))
    assert found.setting == ladder[9]
    with pytest.raises(ConfigError, match="does not hold on fresh samples"):
        settled(TargetQuality(0.9), low, lambda s: exact(s, range(16)))


# The bench.


def test_samples_are_added_and_none_is_taken_twice():
    asked = []

    def measure(setting, samples):
        asked.append((setting.name, samples))
        return exact(setting, samples)

    bench = Trials(measure, Effort())
    one = Known("one", 5.0, 0.5)
    for num_samples in (8, 32, 16):
        assert len(bench.trial(one, num_samples).nfe) >= num_samples
    assert asked == [("one", range(0, 8)), ("one", range(8, 32))]


def test_a_close_question_takes_more_samples_than_a_clear_one():
    far, near = Known("far", 5.0, 0.40), Known("near", 5.0, 0.605)
    bench = Trials(noisy(1), Effort())
    assert not bench.reaches(far, 0.6)
    bench.reaches(near, 0.6)
    assert len(bench.trials[far].nfe) == 32 < len(bench.trials[near].nfe)


@pytest.mark.parametrize("goal", [MaxNFE(24.0), TargetQuality(0.6)], ids=str)
def test_when_time_is_over_what_was_found_by_then_counts(goal):
    def stopping_after(num_trials):
        left = iter(range(num_trials))

        def measure(setting, samples):
            if next(left, None) is None:
                raise OutOfTime
            return noisy(3)(setting, samples)

        return measure

    with pytest.raises(OutOfTime):
        search(goal, ARMS, stopping_after(2))
    bounded, _ = search(goal, ARMS, stopping_after(20))
    assert bounded.setting.nfe <= 30 and bounded.setting.quality > 0.55
