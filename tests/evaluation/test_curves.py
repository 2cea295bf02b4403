import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.draws import SeededDraws
from unmask.evaluation.curves import (
    Curve,
    Point,
    _resampled,
    cost_at,
    curve,
    interval,
    quality_at,
    ratios_at,
)


def exact(cost, quality):
    """A curve without noise: every draw the same."""
    costs = torch.tensor([cost], dtype=torch.float64).repeat(3, 1)
    qualities = torch.tensor([quality], dtype=torch.float64).repeat(3, 1)
    return Curve(costs, qualities)


def at(some_curve, quality):
    return cost_at(some_curve, torch.full((3,), quality, dtype=torch.float64))[0].item()


def test_the_cost_between_two_points_is_linear_in_its_logarithm():
    straight = exact([4.0, 16.0, 64.0], [0.2, 0.4, 0.6])
    assert at(straight, 0.2) == pytest.approx(4)
    assert at(straight, 0.3) == pytest.approx(8)
    assert at(straight, 0.4) == pytest.approx(16)
    assert at(straight, 0.55) == pytest.approx(16 * 4**0.75)
    assert at(straight, 0.6) == pytest.approx(64)


def test_below_the_curve_the_first_cost_is_taken_and_above_it_none_is_enough():
    straight = exact([4.0, 16.0], [0.2, 0.4])
    assert at(straight, 0.1) == pytest.approx(4)
    assert at(straight, 0.41) == math.inf


def test_a_flat_stretch_is_left_at_its_cheap_end():
    assert at(exact([4.0, 16.0, 64.0], [0.2, 0.2, 0.6]), 0.2) == pytest.approx(4)


def bought(some_curve, cost):
    return quality_at(some_curve, torch.full((3,), cost, dtype=torch.float64))[0].item()


def test_the_quality_at_a_cost_is_read_off_the_same_line():
    straight = exact([4.0, 16.0, 64.0], [0.2, 0.4, 0.6])
    assert bought(straight, 8.0) == pytest.approx(0.3)
    assert bought(straight, 16.0) == pytest.approx(0.4)
    assert bought(straight, 16 * 4**0.75) == pytest.approx(0.55)
    assert bought(straight, 640.0) == pytest.approx(0.6)
    assert bought(straight, 2.0) == pytest.approx(0.2)
    assert bought(exact([4.0], [0.2]), 8.0) == pytest.approx(0.2)


def constant(cost, quality, n=50):
    ones = torch.ones(n)
    return Point(ones * cost, ones * quality, ones)


def test_points_are_sorted_by_cost_and_a_worse_one_that_costs_more_is_passed_over():
    made = curve([constant(64, 0.6), constant(4, 0.2), constant(16, 0.1)], num_draws=2, seed=0)
    assert made.cost[0].tolist() == [4, 16, 64]
    assert made.quality[0].tolist() == pytest.approx([0.2, 0.2, 0.6])


def test_a_curve_shifted_by_a_factor_has_that_ratio_everywhere():
    other = exact([8.0, 32.0, 128.0], [0.2, 0.4, 0.6])
    ours = exact([2.0, 8.0, 32.0], [0.2, 0.4, 0.6])
    for found in ratios_at(other, ours):
        assert found.ratio.value == pytest.approx(4)
        assert (found.ratio.low, found.ratio.high) == pytest.approx((4, 4))
        assert not found.is_lower_bound


def test_what_our_cheapest_point_surpasses_is_said_to_be_a_bound():
    first, second = ratios_at(exact([8.0, 32.0], [0.1, 0.4]), exact([2.0, 8.0], [0.2, 0.4]))
    assert first.is_lower_bound and first.ratio.value == pytest.approx(4)
    assert not second.is_lower_bound


def test_a_quality_we_never_reach_has_ratio_nought():
    (found,) = ratios_at(exact([8.0], [0.9]), exact([2.0], [0.5]))
    assert found.our_cost == math.inf and found.ratio.value == 0


def coins(probability, n, seed):
    where = torch.ones(1, n, dtype=torch.bool)
    heads = SeededDraws([seed]).bernoulli(torch.full((1, n), probability), where)[0]
    return Point(torch.ones(n), heads.float(), torch.ones(n))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """A coin of 0.3: of 100 intervals of 95 %, 95 +- 2.2 hold it; 86 is four deviations off."""
    num_covered = 0
    for seed in range(100):
        drawn = curve([coins(0.3, 100, seed)], num_draws=200, seed=1000 * seed)
        found = interval(drawn.quality[:, 0])
        num_covered += found.low <= 0.3 <= found.high
    assert 86 <= num_covered <= 99


def test_points_are_drawn_independently_and_draws_repeat():
    point = coins(0.5, 100, 1)
    (_, first), (_, second), (_, again) = (_resampled(point, 300, 5, n) for n in (0, 1, 0))
    assert torch.equal(first, again)
    assert torch.corrcoef(torch.stack([first[1:], second[1:]]))[0, 1].abs() < 0.2


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(1, 1e3), st.floats(0.01, 0.99)), min_size=1, max_size=6),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_more_quality_never_costs_less(points, first, second):
    made = curve([constant(c, q, n=3) for c, q in points], num_draws=2, seed=0)
    low, high = sorted((first, second))
    assert at(made, low) <= at(made, high) * (1 + 1e-9)
