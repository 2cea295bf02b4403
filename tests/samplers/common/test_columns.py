import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.draws import SeededDraws
from unmask.process import orders
from unmask.samplers.common import columns
from unmask.samplers.common.columns import WindowColumns


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
    window = columns.of_order(order, first, stop, width)
    written = window.write(token_ids, values)

    expected = token_ids.clone()
    for b in range(batch_size):
        for k in range(int(stop[b] - first[b])):
            expected[b, order[b, first[b] + k]] = values[b, k]
    assert torch.equal(written, expected)


def test_a_position_named_by_real_and_unreal_columns_takes_the_real_value():
    window = WindowColumns(
        torch.tensor([[2, 2, 2], [0, 0, 1]]),
        torch.tensor([[True, False, False], [False, False, True]]),
    )
    token_ids = torch.tensor([[10, 11, 12], [13, 14, 15]])
    written = window.write(token_ids, torch.tensor([[1, 2, 3], [4, 5, 6]]))
    assert written.tolist() == [[10, 11, 1], [13, 6, 15]]
    assert token_ids.tolist() == [[10, 11, 12], [13, 14, 15]]


def test_wanted_positions_come_in_reading_order():
    wanted = torch.tensor([[False, True, True], [True, False, False], [False, False, False]])
    window = columns.of_positions(wanted)
    assert window.in_window.tolist() == [[True, True], [True, False], [False, False]]
    assert window.positions[0].tolist() == [1, 2]
    assert window.positions[1, 0] == 0
