import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.draws import SeededDraws
from unmask.errors import OrderError
from unmask.process import orders

lawfully = settings(deadline=None, derandomize=True, max_examples=50)
seeds = st.integers(min_value=-(2**62), max_value=2**62)


@lawfully
@given(st.lists(seeds, min_size=1, max_size=4), st.integers(1, 40))
def test_inverse_undoes_the_order_and_itself(row_seeds: list[int], length: int) -> None:
    order = orders.random(SeededDraws(row_seeds), length)
    rank = orders.inverse(order)
    positions = orders.left_to_right(len(row_seeds), length)
    assert torch.equal(rank.gather(1, order), positions)
    assert torch.equal(orders.inverse(rank), order)


def test_rank_is_the_place_in_the_order() -> None:
    assert orders.inverse(torch.tensor([[2, 0, 3, 1]])).tolist() == [[1, 3, 0, 2]]


def test_random_orders_are_orders() -> None:
    order = orders.random(SeededDraws(range(20)), 13)
    assert order.shape == (20, 13)
    assert orders.given(order) is order


def test_left_to_right_visits_positions_as_they_stand() -> None:
    assert orders.left_to_right(2, 3).tolist() == [[0, 1, 2], [0, 1, 2]]


@lawfully
@given(st.lists(st.booleans(), min_size=1, max_size=20), seeds)
def test_given_positions_come_first_and_nothing_else_changes(flags: list[bool], seed: int) -> None:
    order = orders.random(SeededDraws([seed]), len(flags))
    moved = orders.given_first(order, torch.tensor([flags]))
    before = order[0].tolist()
    expected = [p for p in before if flags[p]] + [p for p in before if not flags[p]]
    assert moved[0].tolist() == expected


def test_each_row_has_its_own_given_positions() -> None:
    order = torch.tensor([[3, 1, 0, 2], [0, 1, 2, 3]])
    is_given = torch.tensor([[True, False, True, False], [False, False, False, True]])
    assert orders.given_first(order, is_given).tolist() == [[0, 2, 3, 1], [3, 0, 1, 2]]


@pytest.mark.parametrize(
    ("wrong_row", "missed"), [([0, 2, 2], 1), ([0, 1, 3], 2), ([-1, 0, 1], 2), ([1, 1, 1], 0)]
)
def test_what_is_no_order_is_named_and_explained(wrong_row: list[int], missed: int) -> None:
    order = torch.tensor([[2, 0, 1], wrong_row, wrong_row])
    message = rf"positions 0 to 2 .* row 1 never visits position {missed}\. Build .*orders\.random"
    with pytest.raises(OrderError, match=message):
        orders.check_is_permutation(order)
    with pytest.raises(OrderError, match="row 1"):
        orders.given(order)


@lawfully
@given(st.integers(1, 70), seeds)
def test_spaced_orders_are_orders(length: int, seed: int) -> None:
    orders.check_is_permutation(orders.spaced(SeededDraws([seed]), length))


@pytest.mark.parametrize("seed", range(3))
def test_any_stretch_of_a_spaced_order_is_spread_over_the_sequence(seed: int) -> None:
    """Of 2^k neighbours in the order that begin at a multiple of 2^k, each has its own 1/2^k."""
    order = orders.spaced(SeededDraws([seed]), 64)[0]
    for size in (2, 4, 8, 16):
        for begin in range(0, 64, size):
            gaps = order[begin : begin + size].sort().values.diff(append=order[:0])
            assert (gaps == 64 // size).all()


def test_spaced_orders_begin_anywhere() -> None:
    first = orders.spaced(SeededDraws(range(200)), 8)[:, 0]
    assert set(first.tolist()) == set(range(8))
