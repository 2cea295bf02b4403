import pytest
import torch

from tests.reference.random_network import random_network
from unmask.draws import weight_generator
from unmask.network.rotary import Rotary, Rotation

CHANNELS = 8
ROTARY = Rotary(length=32, channels=CHANNELS).double()


def random_vector(seed: int) -> torch.Tensor:
    generator = weight_generator(seed)
    return torch.randn(1, 1, 1, CHANNELS, dtype=torch.float64, generator=generator)


def product(query_rotation: Rotation, key_rotation: Rotation) -> float:
    return float((query_rotation(random_vector(0)) * key_rotation(random_vector(1))).sum())


def by(position: int) -> Rotation:
    return ROTARY.by(torch.tensor([[position]]))


def by_halves(even: int, odd: int) -> Rotation:
    return ROTARY.by_halves(torch.tensor([[even]]), torch.tensor([[odd]]))


@pytest.mark.parametrize("shift", [1, 5, 20])
def test_products_depend_on_the_difference_of_positions_only(shift: int) -> None:
    here = product(by(3), by(7))
    assert product(by(3 + shift), by(7 + shift)) == pytest.approx(here, abs=1e-5)  # float32 tables
    assert product(by(3 + shift), by(7)) != pytest.approx(here, abs=1e-2)


def test_halves_depend_on_either_difference_alone() -> None:
    here = product(by_halves(3, 9), by_halves(7, 2))
    assert product(by_halves(3 + 4, 9), by_halves(7 + 4, 2)) == pytest.approx(here, abs=1e-5)
    assert product(by_halves(3, 9 + 4), by_halves(7, 2 + 4)) == pytest.approx(here, abs=1e-5)
    assert product(by_halves(3, 9 + 4), by_halves(7 + 4, 2)) != pytest.approx(here, abs=1e-2)


def test_halves_of_one_position_are_the_whole_rotation() -> None:
    assert torch.equal(by_halves(6, 6)(random_vector(0)), by(6)(random_vector(0)))


def test_every_pair_turns_by_its_angle() -> None:
    """Against complex numbers: the pair (x_j, x_(j + c/2)) is x_j + i x_(j + c/2)."""
    x = random_vector(0)
    frequency = 10_000.0 ** (-torch.arange(0, CHANNELS, 2, dtype=torch.float64) / CHANNELS)
    turn = torch.polar(torch.ones_like(frequency), 7 * frequency)
    turned = torch.complex(*x.chunk(2, dim=-1)) * turn
    expected = torch.cat([turned.real, turned.imag], dim=-1)
    torch.testing.assert_close(by(7)(x), expected, atol=1e-6, rtol=0)


def test_position_0_is_not_turned() -> None:
    assert torch.equal(by(0)(random_vector(0)), random_vector(0))


def test_tables_are_not_weights() -> None:
    assert not [name for name in random_network().state_dict() if "rotary" in name]
