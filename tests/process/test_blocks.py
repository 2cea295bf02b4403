import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import ConfigError
from unmask.process.blocks import (
    BLOCKS,
    Blocks,
    LeftToRight,
    Sliding,
    Whole,
    check_divides,
)
from unmask.samplers.threshold import Threshold
from unmask.samplers.wrappers.early_stop import EarlyStop

masks = st.integers(1, 12).flatmap(
    lambda length: st.lists(
        st.lists(st.booleans(), min_size=length, max_size=length), min_size=1, max_size=4
    )
)
lengths = st.integers(1, 14)
any_blocks = st.one_of(
    st.just(Whole()), st.builds(LeftToRight, lengths), st.builds(Sliding, lengths)
)

every_input = settings(deadline=None, derandomize=True, max_examples=80)


def candidates(blocks, rows, origin=0):
    """The candidate positions of each row."""
    is_masked = torch.tensor(rows)
    is_candidate = blocks.candidates(is_masked, torch.full_like(is_masked[:, 0], origin).long())
    return [[n for n, it_is in enumerate(row) if it_is] for row in is_candidate.tolist()]


def masked(row):
    return [n for n, is_masked in enumerate(row) if is_masked]


@every_input
@given(masks)
def test_as_a_whole_all_that_is_masked_may_be_revealed(rows):
    assert candidates(Whole(), rows) == list(map(masked, rows))


@every_input
@given(masks, lengths)
def test_from_left_to_right_it_is_the_first_block_that_has_a_mask(rows, block_length):
    for row, found in zip(rows, candidates(LeftToRight(block_length), rows), strict=True):
        starts = range(0, len(row), block_length)
        blocks = [[n for n in masked(row) if 0 <= n - start < block_length] for start in starts]
        assert found == next(filter(None, blocks), [])


@every_input
@given(masks, lengths)
def test_a_window_slides_over_the_first_few_that_are_masked(rows, width):
    for row, found in zip(rows, candidates(Sliding(width), rows), strict=True):
        assert found == masked(row)[:width]


def test_a_window_moves_on_past_one_that_stays_masked():
    row = [False] * 2 + [True] * 6
    assert candidates(Sliding(3), [row], origin=2) == [[2, 3, 4]]
    row[3] = row[4] = False
    assert candidates(Sliding(3), [row], origin=2) == [[2, 5, 6]]


@every_input
@given(any_blocks, masks)
def test_something_may_be_revealed_as_long_as_something_is_masked(blocks, rows):
    for row, found in zip(rows, candidates(blocks, rows), strict=True):
        assert set(found) <= set(masked(row))
        assert bool(found) == any(row)


@every_input
@given(any_blocks, masks)
def test_each_row_goes_its_own_way(blocks, rows):
    assert candidates(blocks, rows) == [candidates(blocks, [row])[0] for row in rows]


@every_input
@given(masks)
def test_one_block_is_the_whole_and_blocks_of_one_position_are_reading_order(rows):
    assert candidates(LeftToRight(len(rows[0])), rows) == candidates(Whole(), rows)
    assert candidates(Sliding(len(rows[0])), rows) == candidates(Whole(), rows)
    for one_by_one in (LeftToRight(1), Sliding(1)):
        assert candidates(one_by_one, rows) == [masked(row)[:1] for row in rows]


def test_the_first_block_begins_after_the_prompt():
    """Blocks of 4, five positions given."""
    row = [False] * 5 + [True] * 7
    assert candidates(LeftToRight(4), [row], origin=5) == [[5, 6, 7, 8]]
    row[5:9] = [False] * 4
    assert candidates(LeftToRight(4), [row], origin=5) == [[9, 10, 11]]


@pytest.mark.parametrize("blocks", [Whole(), LeftToRight(), Sliding()], ids=str)
def test_no_sequences_have_no_candidates(blocks):
    none = torch.zeros(0, 3, dtype=torch.bool)
    assert blocks.candidates(none, torch.zeros(0).long()).shape == (0, 3)


@every_input
@given(st.integers(1, 40), st.integers(1, 40))
def test_blocks_that_cut_an_answer_into_unequal_parts_are_refused(block_length, num_tokens):
    sampler = EarlyStop(sampler=Threshold(blocks=LeftToRight(block_length)), end_ids=(0,))
    if block_length >= num_tokens or num_tokens % block_length == 0:
        return check_divides(sampler, num_tokens)
    fitting = num_tokens // block_length * block_length
    with pytest.raises(ConfigError, match=rf"Ask for {fitting} or {fitting + block_length} new"):
        check_divides(sampler, num_tokens)
    return check_divides(sampler, fitting)


def test_rules_go_by_their_names():
    assert BLOCKS == {"whole": Whole, "left-to-right": LeftToRight, "sliding": Sliding}
    assert all(isinstance(rule(), Blocks) for rule in BLOCKS.values())


@pytest.mark.parametrize("block_length", [0, -32])
def test_a_block_without_positions_is_refused(block_length):
    message = f"block_length must be at least 1, got {block_length}: .*32 is common.*`Whole"
    with pytest.raises(ConfigError, match=message):
        LeftToRight(block_length)


@pytest.mark.parametrize("width", [0, -1])
def test_a_window_without_positions_is_refused(width):
    with pytest.raises(ConfigError, match=f"width must be at least 1, got {width}: .*`Whole"):
        Sliding(width)
