"""Accuracy under parallelism, by hand and against what was published."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.questions.aup import aup, of_decoders, without_numbers


def test_one_setting_is_its_tokens_times_its_accuracy():
    # Published for LLaDA-8B on GSM8K: one per step, and Fast-dLLM's single setting.
    assert aup([(1.0, 72.5)], best=77.0) == pytest.approx(72.5)
    assert aup([(2.77, 74.7)], best=77.0) == pytest.approx(206.9, abs=0.1)


def test_several_settings_are_an_area_in_which_losses_weigh():
    def weighted(y):
        return y * math.exp(-3 * (1 - y / 80))

    by_hand = 1 * 80 + (3 - 1) * (weighted(78) + 80) / 2
    assert aup([(3, 78), (1, 80)], best=80) == pytest.approx(by_hand)
    # More than five points below its best, a setting does not count.
    assert aup([(3, 78), (1, 80), (9, 74.9)], best=80) == pytest.approx(by_hand)
    assert aup([(3, 78), (1, 80), (9, 75)], best=80) > by_hand


@given(
    st.lists(st.tuples(st.floats(1, 20), st.floats(50, 90)), min_size=1, max_size=6),
    st.floats(90, 100),
)
def test_it_is_at_most_the_largest_rectangle(points, best):
    most = max(rho for rho, _ in points) * max(y for _, y in points)
    assert 0 < aup(points, best) <= most * (1 + 1e-12)


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("self-speculative-16/0.95", "self-speculative"),
        ("threshold-0.99+dual", "threshold+dual"),
        ("one-by-one+delayed-4", "one-by-one+delayed"),
        ("one-by-one", "one-by-one"),
        (
            "draft-verify/confidence/shadow/0.99/every-2/keep-0.99/prefix/replace-0.9/own",
            "draft-verify/confidence/shadow/prefix/own",
        ),
        ("klass(threshold=0.9,kl_bound=0.005)", "klass"),
        ("factor(factor=0.1)+dual", "factor+dual"),
        (
            "draft-verify(rule=kl, threshold=1e-3, view=shadow)",
            "draft-verify(rule=kl, view=shadow)",
        ),
        ("draft-verify(threshold=0.2, view=shadow, num=3)", "draft-verify(view=shadow)"),
    ],
)
def test_settings_of_one_decoder_share_a_name(name, bare):
    assert without_numbers(name) == bare


def test_the_rows_of_a_report_are_put_together():
    rows = [
        {"name": name, "tokens_per_pass": rho, "accuracy": {"value": y}}
        for name, rho, y in (("slow", 1.0, 0.8), ("fast-4", 4.0, 0.8), ("fast-2", 2.0, 0.8))
    ]
    assert of_decoders(rows) == {"fast": pytest.approx(320), "slow": pytest.approx(80)}
    assert list(of_decoders(rows)) == ["fast", "slow"]
