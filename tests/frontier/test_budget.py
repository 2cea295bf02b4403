import math

import pytest
import torch

from tests.frontier.small_model import small_model
from unmask.frontier.budget import Family, find_knob, knob_for, pilot_cost, why_skipped
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


def blank(network):
    return torch.full((24,), network.vocab_size)


def nfe(trunk_passes, tail_passes):
    return trunk_passes + tail_passes / 10


def pilot(num_steps, budget):
    network = small_model().network
    return pilot_cost(
        network, Ancestral(num_steps=num_steps), budget, given_ids=blank(network), nfe=nfe
    )


def test_a_pilot_is_given_up_when_it_is_sure_to_cost_twice_the_budget(monkeypatch):
    whole = pilot(12, 12.0)
    assert 8 < whole <= 12
    assert pilot(12, whole / 1.9) == whole
    assert pilot(12, whole / 2.1) == math.inf


def test_what_is_given_up_makes_no_further_passes(monkeypatch):
    passes = []
    network = small_model().network
    original = network.draft
    monkeypatch.setattr(
        network, "draft", lambda *given, **named: passes.append(1) or original(*given, **named)
    )
    sampler = Ancestral(num_steps=24)
    assert pilot_cost(network, sampler, 100.0, given_ids=blank(network), nfe=nfe) < 100
    whole = len(passes)
    assert pilot_cost(network, sampler, 2.0, given_ids=blank(network), nfe=nfe) == math.inf
    assert len(passes) - whole < whole / 2


def test_settings_that_cost_too_much_do_not_hide_one_that_does_not():
    chosen = Family(lambda x: Ancestral(num_steps=int(x)), 1.0, 4096.0, True, True)
    knob, cost = knob_for(
        chosen, small_model().network, 4.0, given_ids=blank(small_model().network), nfe=nfe
    )
    assert knob == 4 and cost == pilot(4, 4.0)


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        (10.0, ""),
        (15.1, "the nearest setting takes 15.1 passes"),
        (6.6, "the nearest setting takes 6.6 passes"),
        (math.inf, "every setting takes more than 20 passes"),
    ],
)
def test_why_a_budget_is_skipped(cost, reason):
    assert why_skipped(cost, 10.0) == reason
