"""How often tokens are taken back, and the schedule that a loop bends."""

import pytest
import torch

from unmask.errors import ConfigError
from unmask.process import grids, schedules
from unmask.process.remasking import REMASKINGS, Cap, Confidence, Loop, Rescale

INF = float("inf")
SCHEDULES = [schedules.Linear(), schedules.Cosine(), schedules.Polynomial(2.0)]


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def sigma(remasking, t, sigma_max, confidence=((0.5, 0.5),)):
    confidence = torch.tensor(confidence, dtype=torch.float64)
    return remasking.sigma(column(t), column(sigma_max), confidence)[0].tolist()


@pytest.mark.parametrize(("sigma_max", "expected"), [(1.0, 0.2), (0.21, 0.2), (0.1, 0.1), (0, 0)])
def test_cap_is_eta_or_less(sigma_max, expected):
    assert sigma(Cap(0.2), 0.5, sigma_max) == [expected] * 2


@pytest.mark.parametrize("sigma_max", [1.0, 0.3, 0.0])
def test_rescale_is_a_share_of_what_is_possible(sigma_max):
    assert sigma(Rescale(0.2), 0.5, sigma_max) == [0.2 * sigma_max] * 2


def test_confidence_shares_out_sigma_max_among_what_is_revealed():
    shares = sigma(Confidence(0.5), 0.5, 0.6, [[0.9, INF, 0.2, 0.9]])
    assert sum(shares) == pytest.approx(0.5 * 0.6)
    assert shares[1] == 0 and shares[0] == shares[3]
    assert shares[2] / shares[0] == pytest.approx(torch.tensor(0.7).exp().item())


def test_confidence_takes_nothing_back_where_nothing_is_revealed():
    confidence = torch.tensor([[INF, INF], [INF, 0.3]], dtype=torch.float64)
    found = Confidence().sigma(column(1.0, 0.5), column(1.0, 0.4), confidence)
    assert found.tolist() == [[0, 0], [0, pytest.approx(0.4)]]


LOOP = Loop(eta=0.2, t_on=0.6, t_off=0.1, alpha_on=0.7)


@pytest.mark.parametrize(
    ("t", "sigma_max", "expected"),
    [
        (1.0, 1.0, 0.0),
        (0.61, 0.5, 0.0),
        (0.6, 0.43, 0.2),
        (0.2, 0.43, 0.2),
        (0.2, 0.05, 0.05),
        (0.2, 0.0, 0.0),
        (0.1, 0.4, 0.0),
        (0.05, 0.4, 0.0),
    ],
)
def test_a_loop_takes_back_while_it_is_on(t, sigma_max, expected):
    assert sigma(LOOP, t, sigma_max) == [expected] * 2


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_loop_holds_alpha_while_it_is_on(schedule):
    t = torch.linspace(1, 0, 1001, dtype=torch.float64)
    alpha = LOOP.alpha(schedule, t)
    assert alpha[0] == 0 and alpha[-1] == 1
    rises = alpha.diff()
    is_on = (t[1:] >= LOOP.t_off) & (t[:-1] <= LOOP.t_on)
    assert (rises[~is_on] > 0).all() and rises.max() < 0.02
    assert (alpha[(LOOP.t_off <= t) & (t <= LOOP.t_on)] == LOOP.alpha_on).all()
    before, after = t > LOOP.t_on, t < LOOP.t_off
    assert (alpha[before] / schedule.alpha(t[before])).nan_to_num().diff()[1:].abs().max() < 1e-12
    ratio = ((1 - alpha) / (1 - schedule.alpha(t)))[after & (t > 0)]
    assert ratio.diff().abs().max() < 1e-9


def test_a_loop_on_an_extreme_schedule_reveals_all_at_once_when_it_ends():
    """By t = 0.1 nothing is left to reveal, as far as float64 can tell: 1 - 0.1^20 = 1."""
    t = torch.tensor([1.0, 0.6, 0.3, 0.1, 0.05, 0.0], dtype=torch.float64)
    alpha = LOOP.alpha(schedules.Polynomial(20), t)
    assert alpha.tolist() == [0.0, 0.7, 0.7, 0.7, 1.0, 1.0]


def test_a_loop_on_the_linear_schedule_is_linear_in_pieces():
    t = torch.tensor([1.0, 0.8, 0.6, 0.3, 0.1, 0.05, 0.0], dtype=torch.float64)
    expected = [0.0, 0.7 * 0.2 / 0.4, 0.7, 0.7, 0.7, 1 - 0.3 * 0.5, 1.0]
    assert LOOP.alpha(schedules.Linear(), t).tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("remasking", [Cap(), Rescale(), Confidence()], ids=str)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_the_others_leave_the_schedule_as_it_is(remasking, schedule):
    t = grids.Cosine().times(9)
    assert torch.equal(remasking.alpha(schedule, t), schedule.alpha(t))


@pytest.mark.parametrize("kind", REMASKINGS.values(), ids=REMASKINGS)
@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_a_share_outside_0_and_1_is_refused(kind, eta):
    with pytest.raises(ConfigError, match=rf"{kind.__name__}\.eta must lie between 0 and 1, got"):
        kind(eta=eta)


@pytest.mark.parametrize(("t_on", "t_off"), [(0.1, 0.5), (0.5, 0.5), (1.0, 0.5), (0.5, 0.0)])
def test_a_loop_that_ends_before_it_begins_is_refused(t_on, t_off):
    with pytest.raises(ConfigError, match=f"0 < t_off < t_on < 1, got t_on {t_on} and t_off"):
        Loop(t_on=t_on, t_off=t_off)


@pytest.mark.parametrize("alpha_on", [0.0, 1.0])
def test_a_loop_with_nothing_or_all_revealed_is_refused(alpha_on):
    with pytest.raises(ConfigError, match=f"alpha_on must be above 0 and below 1, got {alpha_on}"):
        Loop(alpha_on=alpha_on)
