import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.slow_quota import every_choice
from unmask.draws import SeededDraws
from unmask.evaluation.enumeration import every_outcome
from unmask.process.grids import Cosine, Linear, Polynomial
from unmask.samplers.common import quota
from unmask.samplers.common.masked_state import MaskedState


def state_of(num_masked, num_wanted, num_steps_taken):
    """One row for each entry; which tokens there are does not matter."""
    is_masked = torch.arange(max(num_wanted)) < torch.tensor(num_masked)[:, None]
    token_ids = is_masked.long()
    return MaskedState(
        token_ids,
        is_masked,
        torch.tensor(num_wanted),
        torch.zeros_like(token_ids[:, 0]),
        torch.tensor(num_steps_taken),
    )


def quotas(grid, num_steps, length):
    """How many are revealed in each step."""
    left, revealed = length, []
    while left:
        state = state_of([left], [length], [len(revealed)])
        revealed.append(int(quota.of_grid(grid, num_steps, state)))
        left -= revealed[-1]
    return revealed


@pytest.mark.parametrize(
    ("grid", "num_steps", "length", "expected"),
    [
        (Linear(), 4, 8, [2, 2, 2, 2]),
        (Linear(), 3, 8, [3, 3, 2]),  # 16/3 and 8/3 left, rounded down
        (Linear(), 1, 5, [5]),
        (Linear(), 9, 3, [1, 1, 1]),
        (Cosine(), 3, 8, [2, 2, 4]),  # 6.93 and 4 left
        (Cosine(), 4, 16, [2, 3, 5, 6]),  # 14.8, 11.3 and 6.1 left
        (Polynomial(2.0), 4, 16, [1, 3, 5, 7]),  # 15, 12 and 7 left
        (Polynomial(0.5), 4, 4, [2, 1, 1]),  # 2, 1.2 and 0.5 left: falls fast, ends early
    ],
    ids=str,
)
def test_what_is_left_is_the_share_of_the_grid(grid, num_steps, length, expected):
    assert quotas(grid, num_steps, length) == expected


@pytest.mark.parametrize("length", [10, 49, 100])
def test_rounding_reveals_no_token_too_many(length):
    """1 - 9/10 is a little less than a tenth in floating point."""
    assert quotas(Linear(), length, length) == [1] * length


above_linear = st.one_of(
    st.just(Linear()),
    st.just(Cosine()),
    st.builds(Polynomial, exponent=st.floats(min_value=1.0, max_value=4.0)),
)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(above_linear, st.integers(1, 40), st.integers(1, 40))
def test_there_are_as_many_steps_as_asked_for_or_tokens(grid, num_steps, length):
    revealed = quotas(grid, num_steps, length)
    assert len(revealed) == min(num_steps, length)
    assert min(revealed) >= 1 and sum(revealed) == length


def test_each_row_is_at_its_own_step():
    state = state_of([8, 6, 3, 1], [8, 8, 8, 1], [0, 1, 2, 0])
    assert quota.of_grid(Linear(), 4, state).tolist() == [2, 2, 1, 1]


# Which.

SCORE = [0.2, -1.0, 0.9, 0.4]


def chosen_sets(temperature, num_chosen, in_window=(True,) * 4):
    """{columns: probability}"""

    def program(draws):
        num_rows = len(draws)
        is_chosen = quota.choose(
            torch.tensor([SCORE], dtype=torch.float64).expand(num_rows, -1),
            torch.tensor([in_window]).expand(num_rows, -1),
            torch.full((num_rows,), num_chosen),
            temperature=torch.full((num_rows,), temperature, dtype=torch.float64),
            draws=draws,
        )
        return [tuple(row.nonzero().squeeze(1).tolist()) for row in is_chosen]

    return every_outcome(program)


@pytest.mark.parametrize("num_chosen", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0, 5.0])
def test_positions_are_drawn_without_replacement(temperature, num_chosen):
    expected = {}
    for weight, columns in every_choice(dict(enumerate(SCORE)), num_chosen, temperature):
        key = tuple(sorted(columns))
        expected[key] = expected.get(key, 0.0) + weight
    assert chosen_sets(temperature, num_chosen) == pytest.approx(expected, abs=1e-14)


def test_without_noise_nothing_is_left_to_chance():
    assert chosen_sets(0.0, 2) == {(2, 3): 1.0}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_columns_that_are_not_real_are_not_chosen(temperature):
    law = chosen_sets(temperature, 2, in_window=(True, True, False, True))
    assert set(itertools.chain(*law)) <= {0, 1, 3}
    assert all(len(columns) == 2 for columns in law)


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 5e-324])
def test_no_temperature_is_too_low_to_divide_by(temperature):
    assert chosen_sets(temperature, 3) == pytest.approx({(0, 2, 3): 1.0})


def test_rows_have_numbers_and_temperatures_of_their_own():
    score = torch.tensor([SCORE] * 3, dtype=torch.float64)
    is_chosen = quota.choose(
        score,
        torch.ones_like(score, dtype=torch.bool),
        torch.tensor([1, 4, 2]),
        temperature=torch.tensor([0.0, 1.0, 1e-6], dtype=torch.float64),
        draws=SeededDraws(range(3)),
    )
    assert is_chosen.tolist() == [
        [False, False, True, False],
        [True, True, True, True],
        [False, False, True, True],
    ]
