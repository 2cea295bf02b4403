import math

import pytest
import torch

from unmask.errors import ConfigError
from unmask.process.schedules import SCHEDULES, Cosine, Linear, Polynomial, Schedule

every_schedule = pytest.mark.parametrize(
    "schedule", [Linear(), Polynomial(1), Polynomial(3), Polynomial(0.5), Cosine()], ids=str
)


@every_schedule
def test_alpha_rate_is_the_derivative_of_alpha(schedule: Schedule) -> None:
    t = torch.linspace(0.01, 0.99, 50, dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(schedule.alpha(t).sum(), t)
    torch.testing.assert_close(schedule.alpha_rate(t), derivative)


@every_schedule
def test_alpha_falls_from_exactly_one_to_exactly_zero(schedule: Schedule) -> None:
    alpha = schedule.alpha(torch.linspace(0, 1, 101, dtype=torch.float64))
    assert alpha[0] == 1
    assert alpha[-1] == 0
    assert (alpha.diff() < 0).all()


def test_cosine_is_the_published_form() -> None:
    t = torch.linspace(0, 1, 50, dtype=torch.float64)
    torch.testing.assert_close(Cosine().alpha(t), 1 - torch.cos(math.pi / 2 * (1 - t)))


def test_linear_is_the_first_polynomial() -> None:
    t = torch.linspace(0.1, 1, 10, dtype=torch.float64)
    torch.testing.assert_close(Linear().alpha(t), Polynomial(1).alpha(t))
    torch.testing.assert_close(Linear().alpha_rate(t), Polynomial(1).alpha_rate(t))


@pytest.mark.parametrize("exponent", [0.0, -1.0, math.inf, math.nan])
def test_an_exponent_that_does_not_fall_is_explained(exponent: float) -> None:
    with pytest.raises(
        ConfigError, match=rf"exponent must be .* above 0, got {exponent}: .*Use 1"
    ):
        Polynomial(exponent)


def test_schedules_are_found_by_name() -> None:
    assert SCHEDULES == {"linear": Linear, "polynomial": Polynomial, "cosine": Cosine}
