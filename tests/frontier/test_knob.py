import pytest

from unmask.frontier.knob import Family, find_knob
from unmask.samplers.ancestral import Ancestral


def hyperbola(is_rising, is_whole=False):
    return Family(lambda x: Ancestral(), 1.0, 1000.0, is_rising=is_rising, is_whole=is_whole)


@pytest.mark.parametrize("is_rising", [True, False])
@pytest.mark.parametrize("budget", [3.0, 30.0, 300.0])
def test_the_knob_is_found_whether_costs_rise_or_fall(is_rising, budget):
    cost = (lambda x: x) if is_rising else (lambda x: 1000 / x)
    knob, found = find_knob(hyperbola(is_rising), budget, cost, num_trials=30)
    assert found == cost(knob)
    assert cost(knob) == pytest.approx(budget, rel=1e-4)


def test_a_whole_knob_stays_whole():
    found = find_knob(hyperbola(True, is_whole=True), 7.3, lambda x: x, num_trials=20)
    assert found == (7.0, 7.0)


def test_what_cannot_be_spent_ends_at_the_nearest():
    knob, _ = find_knob(hyperbola(True), 5000.0, lambda x: x, num_trials=20)
    assert knob == pytest.approx(1000, rel=0.01)
