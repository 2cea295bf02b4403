import pytest
import torch
from torch import nn

from unmask.training.ema import averaged, update


def follow(decay: float, weights: list[float]) -> list[float]:
    """The average of one weight after each of its values."""
    model = nn.Linear(1, 1, bias=False).double()
    average, seen = averaged(model), []
    for weight in weights:
        model.weight.data.fill_(weight)
        update(average, model, decay)
        seen.append(average.module.weight.item())
    return seen


def by_the_formula(decay: float, weights: list[float]) -> list[float]:
    seen = [weights[0]]
    for n, weight in enumerate(weights[1:], start=1):
        decay_n = min(decay, (1 + n) / (10 + n))
        seen.append(decay_n * seen[-1] + (1 - decay_n) * weight)
    return seen


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9, 0.999])
def test_the_average_follows_the_ramp(decay: float) -> None:
    weights = [5.0, -1.0, 2.0, 2.0, 7.0] * 30
    assert follow(decay, weights) == pytest.approx(by_the_formula(decay, weights), abs=1e-12)


def test_the_first_update_forgets_the_initialisation() -> None:
    assert follow(0.999, [5.0]) == [5.0]


def test_the_ramp_matters_early_and_the_decay_late() -> None:
    weights = [0.0] + [1.0] * 400
    slow, fast = follow(0.999, weights), follow(0.5, weights)
    assert slow[1:8] == fast[1:8]  # (1 + n)/(10 + n) < 0.5 for n < 8
    assert slow[20] < fast[20]


def test_decay_zero_ships_the_last_weights() -> None:
    assert follow(0.0, [1.0, 2.0, 3.0]) == [1.0, 2.0, 3.0]


def test_the_average_is_a_copy_that_goes_its_own_way() -> None:
    model = nn.Linear(2, 2)
    average = averaged(model)
    update(average, model, 0.9)
    model.weight.data.add_(1.0)
    assert torch.equal(average.module.weight + 1.0, model.weight)
