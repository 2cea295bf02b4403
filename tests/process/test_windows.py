import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import ConfigError
from unmask.process.windows import WINDOWS, Cosine, Fixed, Linear, Whole, Window, starts

lawfully = settings(deadline=None, derandomize=True, max_examples=100)
shares = st.floats(min_value=1e-6, max_value=1.0)
windows = st.one_of(
    st.builds(Cosine, dtau=shares),
    st.builds(Linear, dtau=shares),
    st.builds(Fixed, num_tokens=st.integers(1, 2000)),
    st.just(Whole()),
)


@lawfully
@given(windows, st.integers(1, 1200))
def test_a_window_holds_at_least_one_token_and_never_more_than_are_masked(
    window: Window, length: int
) -> None:
    num_revealed = torch.arange(length + 1)
    size = window.size(num_revealed, length)
    assert size.dtype == num_revealed.dtype
    assert (size >= 1).all()
    assert (size <= (length - num_revealed).clamp(min=1)).all()


@lawfully
@given(windows, st.integers(1, 300))
def test_full_windows_tile_the_sequence(window: Window, length: int) -> None:
    found = starts(window, length)
    sizes = [int(window.size(torch.tensor(i), length)) for i in found]
    assert [0] + [i + w for i, w in zip(found, sizes, strict=True)] == [*found, length]


@pytest.mark.parametrize(("dtau", "num_windows"), [(0.083, 12), (0.01, 80)])
def test_cosine_windows_are_as_many_as_the_papers_passes(dtau: float, num_windows: int) -> None:
    assert len(starts(Cosine(dtau), 256)) == num_windows


def test_cosine_window_is_the_formula() -> None:
    """The scalar formula, step by step, where its value is no whole number."""
    length, dtau = 256, 0.083
    for i in range(1, length):
        tau = 2 / math.pi * math.acos((length - i) / length)
        after = min(1.0, tau + dtau)
        exact = length * (math.cos(math.pi * tau / 2) - math.cos(math.pi * after / 2))
        if abs(exact - round(exact)) > 1e-6:
            assert int(Cosine(dtau).size(torch.tensor(i), length)) == max(1, math.ceil(exact))


def test_cosine_windows_widen() -> None:
    """Until the end of the sequence cuts them off."""
    num_revealed = torch.arange(256)
    size = Cosine(0.05).size(num_revealed, 256)
    is_cut_off = size == 256 - num_revealed
    assert (size.diff()[~is_cut_off[1:]] >= 0).all()
    assert size[~is_cut_off].max() > 5 * size[0]


def test_a_whole_number_is_not_rounded_up_to_the_next() -> None:
    """In float64, 0.07 times 100 is an ulp above 7; so may a cosine be, on some device."""
    assert 0.07 * 100 > 7
    assert int(Linear(0.07).size(torch.tensor(0), 100)) == 7


def test_linear_windows_are_equal_until_the_last() -> None:
    assert Linear(0.25).size(torch.tensor([0, 4, 8, 12, 15]), 16).tolist() == [4, 4, 4, 4, 1]


def test_whole_and_fixed() -> None:
    num_revealed = torch.tensor([0, 3, 5, 6])
    assert Whole().size(num_revealed, 6).tolist() == [6, 3, 1, 1]
    assert Fixed(2).size(num_revealed, 6).tolist() == [2, 2, 1, 1]
    assert starts(Fixed(1), 4) == [0, 1, 2, 3]
    assert starts(Whole(), 4) == [0]


def test_any_shape_will_do() -> None:
    num_revealed = torch.tensor([[0, 100], [200, 255]])
    flat = Cosine(0.083).size(num_revealed.flatten(), 256)
    assert torch.equal(Cosine(0.083).size(num_revealed, 256), flat.reshape(2, 2))


@pytest.mark.parametrize("dtau", [0.0, -0.1, 1.5, math.nan])
@pytest.mark.parametrize("window_class", [Cosine, Linear])
def test_a_share_out_of_range_is_explained(
    window_class: type[Cosine] | type[Linear], dtau: float
) -> None:
    message = rf"{window_class.__name__}\.dtau must be above 0 and at most 1, got {dtau}: .*Whole"
    with pytest.raises(ConfigError, match=message):
        window_class(dtau)


def test_an_empty_fixed_window_is_explained() -> None:
    with pytest.raises(ConfigError, match=r"Fixed\.num_tokens must be at least 1, got 0: .*Fixed"):
        Fixed(0)


def test_windows_are_found_by_name() -> None:
    assert WINDOWS == {"cosine": Cosine, "linear": Linear, "fixed": Fixed, "whole": Whole}
    assert all(isinstance(window, Window) for window in (Cosine(), Linear(), Fixed(1), Whole()))
