import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.draws import SeededDraws
from unmask.errors import ConfigError
from unmask.process import orders
from unmask.samplers import ordered
from unmask.samplers.ordered import WindowColumns
from unmask.samplers.self_speculative import SelfSpeculative
from unmask.samplers.target_only import TargetOnly

MASK = 9


@pytest.mark.parametrize("sampler", [SelfSpeculative(), TargetOnly()], ids=["self", "target"])
def test_an_order_of_another_kind_is_refused(sampler):
    object.__setattr__(sampler, "order", "sideways")  # past the tests' own check of types
    with pytest.raises(ConfigError, match="order must be one of.*got 'sideways'.*trained for"):
        sampler.__post_init__()


@pytest.mark.parametrize("choice", ["random", "left-to-right"])
def test_what_is_given_comes_first_and_is_revealed(choice):
    given_ids = torch.tensor([[MASK, 3, MASK, 4, MASK], [MASK] * 5, [1, 2, 3, 4, 5]])
    order = ordered.choose(choice, given_ids, SeededDraws(range(3)))
    state = ordered.start(given_ids, order, mask_id=MASK)
    assert state.num_revealed.tolist() == [2, 0, 5]
    assert state.is_done.tolist() == [False, False, True]
    assert set(state.order[0, :2].tolist()) == {1, 3}
    orders.check_is_permutation(state.order)


def test_reading_order_is_the_same_for_every_stream():
    order = ordered.choose("left-to-right", torch.full((2, 4), MASK), SeededDraws([1, 2]))
    assert order.tolist() == [[0, 1, 2, 3]] * 2


def test_selected_rows_keep_their_order_and_place():
    given_ids = torch.tensor([[MASK, 3], [MASK, MASK], [1, 2]])
    order = ordered.choose("random", given_ids, SeededDraws(range(3)))
    state = ordered.start(given_ids, order, mask_id=MASK)
    some = state.select(torch.tensor([2, 0]))
    assert torch.equal(some.order, state.order[[2, 0]])
    assert some.num_revealed.tolist() == [2, 1]
    assert some.token_ids.tolist() == [[1, 2], [MASK, 3]]


@st.composite
def windows(draw):
    """A length, (first, stop) by row, and a number of columns that may run past the end."""
    length = draw(st.integers(1, 6))
    bounds = st.lists(st.integers(0, length), min_size=2, max_size=2).map(sorted)
    rows = draw(st.lists(bounds, min_size=1, max_size=4))
    widest = max(stop - first for first, stop in rows)
    return length, rows, draw(st.integers(max(1, widest), length + 2))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(windows(), st.integers(0, 1000))
def test_only_real_columns_are_written(window, seed):
    """Places past the end are clamped and so repeat a position; it must not be touched."""
    length, rows, width = window
    first, stop = torch.tensor(rows).unbind(dim=1)
    order = orders.random(SeededDraws(range(seed, seed + len(rows))), length)
    batch_size, length = order.shape
    token_ids = torch.arange(batch_size * length).reshape(batch_size, length)
    values = 1000 + torch.arange(batch_size * width).reshape(batch_size, width)
    columns = ordered.columns(order, first, stop, width)
    written = columns.write(token_ids, values)

    expected = token_ids.clone()
    for b in range(batch_size):
        for k in range(int(stop[b] - first[b])):
            expected[b, order[b, first[b] + k]] = values[b, k]
    assert torch.equal(written, expected)


def test_a_position_named_by_real_and_unreal_columns_takes_the_real_value():
    columns = WindowColumns(
        torch.tensor([[2, 2, 2], [0, 0, 1]]),
        torch.tensor([[True, False, False], [False, False, True]]),
    )
    token_ids = torch.tensor([[10, 11, 12], [13, 14, 15]])
    written = columns.write(token_ids, torch.tensor([[1, 2, 3], [4, 5, 6]]))
    assert written.tolist() == [[10, 11, 1], [13, 6, 15]]
    assert token_ids.tolist() == [[10, 11, 12], [13, 14, 15]]
