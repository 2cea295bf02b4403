import json

import pytest

from tests.frontier.small_model import TINY_WORDS, tiny_model
from unmask.errors import ConfigError
from unmask.process.windows import Cosine, starts
from unmask.quality.texts import TextQuality
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.tuning import tune as module
from unmask.tuning.search import MaxNFE, TargetQuality
from unmask.tuning.tune import ROUNDS, SearchPlan, Setting, ladders, tune

QUICK = SearchPlan(num_samples=32, seed=5)


@pytest.mark.parametrize("length", [1, 24, 100])
def test_ladders_go_from_everything_at_once_to_one_token_at_a_time(length):
    first, *others = ladders(length, "random")
    passes = [len(starts(setting.sampler.window, length)) for setting in first]
    assert passes[0] == 1 and passes[-1] == length
    assert passes == sorted(passes)
    # No rung but the first few takes more than 1.35 times the passes of the one below it.
    assert all(b <= 1.35 * a for a, b in zip(passes, passes[1:], strict=False) if a > 6)
    for ladder in others:
        assert [s.dtau for s in ladder] == [s.dtau for s in first] and ladder[-1] == first[-1]


def test_a_ladder_is_a_number_of_verify_rounds():
    found_ladders = ladders(256, "spaced")
    found = [{setting.verify_rounds for setting in ladder[:-1]} for ladder in found_ladders]
    assert found == [{num_rounds} for num_rounds in ROUNDS]
    assert {setting.sampler.order for ladder in found_ladders for setting in ladder} == {"spaced"}


def test_a_setting_is_what_its_options_say():
    setting = Setting(0.083, 10, "spaced")
    chosen = "--sampler.window.dtau 0.083 --sampler.verify-rounds 10 --sampler.order spaced"
    assert setting.options == chosen
    assert setting.sampler == SelfSpeculative(
        window=Cosine(0.083), verify_rounds=10, order="spaced"
    )


@pytest.mark.parametrize("limit", [2.0, 5.0])
def test_what_is_found_costs_no_more_than_allowed(limit):
    model = tiny_model()
    found = tune(model, MaxNFE(limit), TextQuality(TINY_WORDS), QUICK)
    assert 0.5 * limit < found.point["numbers"]["nfe"]["value"] <= limit
    drawn = model.generate(sampler=found.setting.sampler, num_samples=32, seed=5, batch_size=32)
    assert sum(sample.nfe for sample in drawn) / 32 == pytest.approx(
        found.point["numbers"]["nfe"]["value"]
    )
    assert found.num_settings > 5 and found.seconds > 0


def test_the_samples_reported_are_none_that_the_search_has_seen(monkeypatch):
    seen = []
    original = module.measure_point

    def noted(model, sampler, *, seed, num_samples, **options):
        seen.append(range(seed, seed + num_samples))
        return original(model, sampler, seed=seed, num_samples=num_samples, **options)

    monkeypatch.setattr(module, "measure_point", noted)
    told = []
    found = tune(
        tiny_model(),
        MaxNFE(3.0),
        TextQuality(TINY_WORDS),
        QUICK,
        advance=lambda done, _: told.append(done),
    )
    *search, fresh = seen
    assert fresh == range(5, 37)
    assert all(seeds.start >= 1 << 41 for seeds in search)
    assert found.num_samples == sum(map(len, search))
    assert told == sorted(told) and told[-1] == found.num_samples + 32


def test_the_same_seed_finds_the_same():
    def without_seconds(found):
        numbers = {k: v for k, v in found.point["numbers"].items() if k != "seconds"}
        return json.dumps(numbers), found.setting  # as text, NaN equals NaN

    first, second = (
        tune(tiny_model(), MaxNFE(3.0), TextQuality(TINY_WORDS), QUICK) for _ in range(2)
    )
    assert without_seconds(first) == without_seconds(second)


def test_a_quality_within_reach_is_reached():
    found = tune(tiny_model(), TargetQuality(0.3), TextQuality(TINY_WORDS), QUICK)
    accuracy = found.point["numbers"]["spelling_accuracy"]
    assert accuracy["value"] + 2 * accuracy["standard_error"] >= 0.3
    # A network that knows nothing is as good in one pass.
    assert found.point["numbers"]["trunk_passes"]["value"] == 1


def test_time_that_is_over_before_anything_is_found():
    with pytest.raises(ConfigError, match="no setting was found in 1e-09 seconds. Allow more"):
        tune(
            tiny_model(),
            MaxNFE(6.0),
            TextQuality(TINY_WORDS),
            SearchPlan(num_samples=16, max_seconds=1e-9),
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_samples": 15}, "at least 16, got 15"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"max_seconds": 0.0}, "max_seconds must be above 0"),
    ],
    ids=str,
)
def test_plans_that_cannot_work_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        SearchPlan(**change)
