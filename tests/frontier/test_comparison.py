import pytest

from unmask.frontier.comparison import gains, leads
from unmask.quality.texts import TextQuality

WORDS = TextQuality(frozenset(["right"]))


def point(family, nfe, num_right, num_samples=20):
    """Samples of ten words, the same number of them right in each."""
    text = " ".join(["right"] * num_right + ["wrong"] * (10 - num_right))
    return {
        "family": family,
        "budget": nfe,
        **{cost: [nfe] * num_samples for cost in ("critical_path", "nfe", "seconds")},
        "texts": [f"x {text} x"] * num_samples,
    }


OURS = [point("ours", 4.0, 2), point("ours", 16.0, 4)]


def found(*others):
    return leads([*OURS, *others], WORDS, ours="ours", seed=0)


def test_a_lead_is_over_the_line_between_our_points_and_beyond_the_last():
    between, beyond = found(point("other", 8.0, 7), point("other", 64.0, 1))
    assert between["our_quality"] == pytest.approx(0.3) and between["quality"] == 0.7
    assert between["lead"] == pytest.approx({"value": 0.4, "low": 0.4, "high": 0.4})
    assert beyond["our_quality"] == pytest.approx(0.4)
    assert beyond["lead"]["high"] == pytest.approx(-0.3)


def test_a_point_cheaper_than_any_of_ours_is_compared_with_none():
    (only,) = found(point("other", 2.0, 9), point("other", 4.0, 9))
    assert only["nfe"] == 4 and only["of"] == "other" and only["budget"] == 4


def test_points_that_were_skipped_are_left_out():
    skipped = {"family": "other", "budget": 8.0, "skipped": "no setting comes near"}
    assert found(skipped) == []
    assert leads([skipped], WORDS, ours="ours", seed=0) == []


def test_the_gain_is_split_into_order_and_verification():
    """Twice by the order, three times by verifying: the best of two that verify nothing."""
    points = [
        *(point("ancestral", nfe, share) for nfe, share in ((12.0, 4), (24.0, 8))),
        *(point("poor", nfe, share) for nfe, share in ((20.0, 4), (40.0, 8))),
        *(point("good", nfe, share) for nfe, share in ((6.0, 4), (12.0, 8))),
        *(point("ours", nfe, share) for nfe, share in ((2.0, 4), (4.0, 8))),
    ]
    asked = {"ours": "ours", "verified": {"ours"}, "seed": 1}
    rows = [row for row in gains(points, WORDS, **asked) if row["cost"] == "nfe"]
    assert [row["costs"] for row in rows] == [
        pytest.approx([12.0, 6.0, 2.0]), pytest.approx([24.0, 12.0, 4.0])
    ]  # fmt: skip
    for row in rows:
        assert row["best_unverified"] == "good"
        assert row["order"]["value"] == pytest.approx(2)
        assert row["verification"]["value"] == pytest.approx(3)
        assert row["verification"]["low"] <= 3 <= row["verification"]["high"]
    # What verifies is no baseline, and without one there is nothing to split.
    others = {**asked, "verified": {"ours", "good"}}
    assert gains(points, WORDS, **others)[-1]["best_unverified"] == "ancestral"
    assert gains(points, WORDS, **{**asked, "verified": set()}) == []
    assert gains(points[2:], WORDS, **asked) == []
