"""Families along a causal trunk: measured by what waits, and by work."""

from dataclasses import replace

import pytest

from tests.network.test_stream import TINY
from unmask.errors import ConfigError
from unmask.frontier.budget import knob_for
from unmask.frontier.entries import contenders
from unmask.frontier.families import FAMILIES
from unmask.frontier.measure import measure
from unmask.models.text import TextModel
from unmask.network.stream import StreamTransformer
from unmask.quality.texts import TextQuality
from unmask.tuning.search import MaxNFE
from unmask.tuning.tune import CausalSetting, SearchPlan, causal_ladders, tune
from unmask.vocabularies.characters import Characters

NAMES = (
    "lossless", "lossless/factorised", "lossless-branching", "autoregressive",
    "self-speculative/left-to-right", "fixed-partition/left-to-right",
)  # fmt: skip


def model() -> TextModel:
    return TextModel(
        StreamTransformer(TINY, seed=1).eval(), Characters(alphabet=" abcd"), "causal"
    )


@pytest.mark.parametrize("name", NAMES)
def test_work_and_what_waits_are_measured_apart(name):
    sampler = FAMILIES[name].make(4.0)
    found = measure(model(), sampler, num_samples=2, seed=1, batch_size=2)
    for n in range(2):
        in_turn = 2 * found.costs[n].trunk.passes + found.costs[n].tail.passes
        assert found.critical_path[n] == pytest.approx(in_turn / 3)
        assert found.nfe[n] > 0
    if name == "autoregressive":
        assert found.critical_path == [pytest.approx(12 * 2 / 3)] * 2
        assert found.nfe == [pytest.approx((2 * 12 + 12) / (3 * 12))] * 2


def test_a_knob_is_found_by_what_waits():
    whole = model()
    knob, cost = knob_for(
        FAMILIES["fixed-partition/left-to-right"],
        whole.network,
        2.0,
        given_ids=whole.given_ids(),
        nfe=whole.network.config.nfe,
    )
    assert knob == 4.0 and cost == pytest.approx(3 * 2 / 3)


def test_a_family_without_a_tail_to_verify_with_is_refused():
    config = replace(TINY, num_tail_blocks=0, max_window=0)
    plain = TextModel(StreamTransformer(config).eval(), Characters(alphabet=" abcd"), "plain")
    with pytest.raises(ConfigError, match="plain has no causal blocks"):
        contenders(["self-speculative/left-to-right"], plain)


def test_ladders_of_a_causal_trunk_go_from_wide_windows_to_one_token_per_pass():
    found = causal_ladders(8)
    assert [len({s.verify_rounds for s in ladder[:-1]}) for ladder in found] == [1] * len(found)
    for ladder in found:
        assert [s.num_tokens for s in ladder] == [8, 6, 4, 3, 2, 1]
        assert ladder[-1] == found[0][-1]
    assert {type(s.sampler).__name__ for ladder in found for s in ladder} == {
        "Lossless", "SelfSpeculative", "Autoregressive",
    }  # fmt: skip


def test_tuning_finds_a_setting_that_keeps_to_the_wish():
    words = TextQuality(frozenset("abcd"))
    plan = SearchPlan(num_samples=16, batch_size=16)
    found = tune(model(), MaxNFE(6.0), words, plan)
    assert found.point["numbers"]["critical_path"]["value"] <= 6.0
    assert isinstance(found.setting, CausalSetting)
    assert found.setting.options.startswith("--sampler ")


def test_there_is_nothing_to_tune_without_a_tail():
    config = replace(TINY, num_tail_blocks=0, max_window=0)
    plain = TextModel(StreamTransformer(config).eval(), Characters(alphabet=" abcd"), "plain")
    with pytest.raises(ConfigError, match="plain has no tail"):
        tune(plain, MaxNFE(6.0), TextQuality(frozenset("abcd")), SearchPlan(num_samples=16))
    with pytest.raises(ConfigError, match="from left to right"):
        tune(
            model(),
            MaxNFE(6.0),
            TextQuality(frozenset("abcd")),
            SearchPlan(num_samples=16, order="spaced"),
        )
