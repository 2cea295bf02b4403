import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import ConfigError
from unmask.process import schedules
from unmask.process.grids import GRIDS, Cosine, DreamGrid, Grid, Linear, Polynomial

grids = st.one_of(
    st.just(Linear()),
    st.just(Cosine()),
    st.builds(Polynomial, exponent=st.floats(min_value=0.25, max_value=4.0)),
    st.builds(DreamGrid, eps=st.floats(min_value=1e-4, max_value=0.9)),
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(grids, st.integers(1, 1000))
def test_every_grid_falls_strictly_from_one_to_zero(grid: Grid, num_steps: int) -> None:
    times = grid.times(num_steps)
    assert times.dtype == torch.float64
    assert times.shape == (num_steps + 1,)
    assert times[0] == 1
    assert times[-1] == 0
    assert (times.diff() < 0).all()


def test_grids_are_their_formulas() -> None:
    done = torch.arange(9, dtype=torch.float64) / 8
    torch.testing.assert_close(Linear().times(8), 1 - done)
    torch.testing.assert_close(Cosine().times(8), torch.cos(math.pi / 2 * done))
    torch.testing.assert_close(Polynomial(3).times(8), 1 - done**3)


def test_cosine_grid_on_the_linear_schedule_masks_like_the_cosine_schedule() -> None:
    by_grid = schedules.Linear().alpha(Cosine().times(16))
    by_schedule = schedules.Cosine().alpha(Linear().times(16))
    torch.testing.assert_close(by_grid, by_schedule)


@pytest.mark.parametrize("grid", [Linear(), Cosine(), Polynomial(), DreamGrid()], ids=str)
def test_no_steps_are_refused(grid: Grid) -> None:
    with pytest.raises(ConfigError, match="num_steps must be at least 1, got 0: .* start with 64"):
        grid.times(0)


@pytest.mark.parametrize("exponent", [0.0, -1.0, math.inf, math.nan])
def test_an_exponent_that_does_not_fall_is_explained(exponent: float) -> None:
    with pytest.raises(
        ConfigError, match=rf"exponent must be .* above 0, got {exponent}: .*Use 1"
    ):
        Polynomial(exponent)


def test_grids_are_found_by_name() -> None:
    assert GRIDS == {
        "linear": Linear,
        "cosine": Cosine,
        "polynomial": Polynomial,
        "dream": DreamGrid,
    }


@pytest.mark.parametrize("eps", [0.0, 1.0, -0.1, math.nan])
def test_an_end_of_time_that_is_none_is_refused(eps: float) -> None:
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        DreamGrid(eps)
