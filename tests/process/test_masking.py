import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.draws import SeededDraws
from unmask.process import orders
from unmask.process.masking import is_revealed, mask_after, stratified_counts

lawfully = settings(deadline=None, derandomize=True, max_examples=100)
MASK = 9


def test_what_is_kept_is_what_the_order_has_reached() -> None:
    token_ids = torch.tensor([[5, 6, 7], [5, 6, 7], [5, 6, 7]])
    order = torch.tensor([[2, 0, 1], [1, 0, 2], [0, 1, 2]])
    masked = mask_after(token_ids, order, torch.tensor([1, 2, 0]), MASK)
    assert masked.tolist() == [[MASK, MASK, 7], [5, 6, MASK], [MASK, MASK, MASK]]
    assert token_ids.tolist() == [[5, 6, 7]] * 3


@lawfully
@given(st.integers(1, 20), st.integers(0, 2**40))
def test_revealed_positions_are_the_first_of_the_order(length: int, seed: int) -> None:
    num_revealed = torch.arange(length + 1)
    order = orders.random(SeededDraws(range(seed, seed + length + 1)), length)
    revealed = is_revealed(order, num_revealed)
    for row, i in enumerate(num_revealed.tolist()):
        assert set(revealed[row].nonzero().flatten().tolist()) == set(order[row, :i].tolist())


@lawfully
@given(st.integers(1, 50), st.integers(1, 300), st.integers(0, 2**40))
def test_counts_are_in_range_and_evenly_spread(batch_size: int, length: int, seed: int) -> None:
    counts = stratified_counts(SeededDraws([seed]), batch_size, length)
    assert counts.shape == (batch_size,)
    assert counts.min() >= 0
    assert counts.max() <= length - 1
    # Within one of evenly spaced, up to rounding down.
    assert (counts.diff() - length / batch_size).abs().lt(1).all()


@pytest.mark.parametrize(("batch_size", "length"), [(3, 7), (8, 4), (1, 5)])
def test_each_number_revealed_is_equally_likely(batch_size: int, length: int) -> None:
    """Over a grid of u fine enough to be exact: every stratum edge is a multiple of 1/length."""

    class Evenly(SeededDraws):
        def __init__(self, u: float) -> None:
            super().__init__([0])
            self.u = u

        def uniform(self, where: torch.Tensor) -> torch.Tensor:
            return torch.full(where.shape, self.u, dtype=torch.float64)

    counts = [
        stratified_counts(Evenly((n + 0.5) / length), batch_size, length) for n in range(length)
    ]
    assert torch.bincount(torch.cat(counts), minlength=length).tolist() == [batch_size] * length


def test_the_largest_number_below_one_stays_in_range() -> None:
    class Largest(SeededDraws):
        def uniform(self, where: torch.Tensor) -> torch.Tensor:
            return torch.full(where.shape, 1 - 2.0**-53, dtype=torch.float64)

    assert stratified_counts(Largest([0]), 1000, 256).max() == 255
