import torch

from unmask.predictors.protocol import Draft
from unmask.samplers.common import masked_state
from unmask.samplers.common.columns import WindowColumns

MASK = 9
GIVEN = torch.tensor([[MASK, 3, MASK, MASK], [1, 2, 3, 4], [5, MASK, 6, 7]])


class Recording:
    """Says of each position which one it is, and remembers what it was asked."""

    vocab_size, device = MASK, torch.device("cpu")

    def __init__(self):
        self.asked = []

    def draft(self, token_ids, positions):
        self.asked.append((token_ids.tolist(), positions.tolist()))
        return Draft(positions[..., None].double().expand(-1, -1, MASK), None)


def test_at_first_all_that_is_not_given_is_masked():
    state = masked_state.start(GIVEN, mask_id=MASK)
    assert torch.equal(state.token_ids, GIVEN)
    assert state.is_masked.tolist() == [
        [True, False, True, True],
        [False] * 4,
        [False, True, False, False],
    ]
    assert state.num_wanted.tolist() == state.num_masked.tolist() == [3, 0, 1]
    assert state.num_steps_taken.tolist() == [0, 0, 0]
    assert state.is_done.tolist() == [False, True, False]


def test_one_step_later_what_was_wanted_is_remembered():
    state = masked_state.start(GIVEN, mask_id=MASK)
    is_masked = torch.tensor([[True, False, False, False]] * 3)
    later = state.advanced(GIVEN + 0, is_masked).advanced(GIVEN + 1, is_masked)
    assert torch.equal(later.token_ids, GIVEN + 1) and torch.equal(later.is_masked, is_masked)
    assert later.num_masked.tolist() == [1, 1, 1]
    assert later.num_wanted.tolist() == [3, 0, 1]
    assert later.num_steps_taken.tolist() == [2, 2, 2]


def test_rows_are_selected_with_all_that_belongs_to_them():
    state = masked_state.start(GIVEN, mask_id=MASK)
    some = state.advanced(GIVEN, state.is_masked).select(torch.tensor([2, 0]))
    assert torch.equal(some.token_ids, GIVEN[[2, 0]])
    assert torch.equal(some.is_masked, state.is_masked[[2, 0]])
    assert some.num_wanted.tolist() == [1, 3]
    assert some.num_steps_taken.tolist() == [1, 1]


def test_a_pass_is_asked_about_the_wanted_positions_only():
    predictor = Recording()
    is_wanted = torch.tensor(
        [[True, False, False, True], [False] * 4, [False, True, False, False]]
    )
    prediction = masked_state.predict(predictor, GIVEN, is_wanted)
    assert prediction.window.in_window.tolist() == [[True, True], [False, False], [True, False]]
    (asked,) = predictor.asked
    first = prediction.window.positions[1, 0].item()
    # Columns that are not real repeat the first one of their row.
    assert asked == (GIVEN.tolist(), [[0, 3], [first, first], [1, 1]])
    assert prediction.window.positions[0].tolist() == [0, 3]
    assert prediction.window.positions[2, 0] == 1
    assert torch.equal(prediction.log_probs[..., 0], torch.tensor(asked[1]).double())


def revealed(is_chosen):
    """Tokens 10, 11, ... put at the positions 0, 2, 3 and 1 of the rows that have them masked."""
    state = masked_state.start(GIVEN, mask_id=MASK)
    window = WindowColumns(
        torch.tensor([[0, 2, 3], [0, 1, 2], [1, 0, 2]]),
        torch.tensor([[True, True, True], [False, False, False], [True, False, False]]),
    )
    token_ids = torch.arange(10, 19).reshape(3, 3)
    after, info = masked_state.reveal(state, window, torch.tensor(is_chosen), token_ids)
    assert torch.equal(state.token_ids, GIVEN)
    return after, info


def test_tokens_are_revealed_at_the_chosen_columns():
    after, info = revealed([[True, False, True], [False] * 3, [False] * 3])
    assert after.token_ids.tolist() == [[10, 3, MASK, 12], [1, 2, 3, 4], [5, MASK, 6, 7]]
    assert after.is_masked.tolist() == [
        [False, False, True, False],
        [False] * 4,
        [False, True, False, False],
    ]
    assert info.accepted.tolist() == info.num_revealed.tolist() == [2, 0, 0]
    assert after.num_steps_taken.tolist() == [1, 1, 1]


def test_columns_that_are_not_real_reveal_nothing():
    after, info = revealed([[False, True, False], [True] * 3, [True] * 3])
    assert after.token_ids.tolist() == [[MASK, 3, 11, MASK], [1, 2, 3, 4], [5, 16, 6, 7]]
    assert after.num_masked.tolist() == [2, 0, 0]
    assert info.accepted.tolist() == [1, 0, 1]


def test_a_pass_counts_whether_or_not_it_reveals_anything():
    _, info = revealed([[True] * 3, [False] * 3, [False] * 3])
    assert info.trunk.passes.tolist() == [1, 1, 1]
    assert info.tail.passes.tolist() == info.rejected.tolist() == [0, 0, 0]
