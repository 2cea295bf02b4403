from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import CheckpointError, PromptError
from unmask.models.lengths import Lengths, is_drawn, length_of

USUAL = Lengths({3: 1, 5: 6, 9: 3})


def drawn(asked: object, seed: int = 0, least: int = 1, usual: Lengths | None = USUAL) -> int:
    return length_of(asked, seed, usual=usual, least=least, most=20)


def test_a_number_is_itself_and_nothing_is_the_most() -> None:
    assert drawn(7) == drawn("7") == drawn("7-7") == drawn((7, 7)) == 7
    assert drawn(None, usual=None) == 20
    assert not is_drawn(7, USUAL) and not is_drawn(None, None)
    assert is_drawn(None, USUAL) and is_drawn("3-4", None) and is_drawn((3, 4), USUAL)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(-(2**63), 2**63 - 1))
def test_a_range_holds_what_is_drawn_from_it(one: int, other: int, seed: int) -> None:
    first, last = sorted([one, other])
    found = drawn(f"{first}-{last}", seed)
    assert first <= found <= last and found == drawn((first, last), seed)
    assert max(first, min(6, last)) <= drawn((first, last), seed, least=6) <= last


def test_every_length_of_a_range_is_as_probable() -> None:
    seen = Counter(drawn("4-7", seed) for seed in range(4000))
    assert set(seen) == {4, 5, 6, 7} and all(900 < count < 1100 for count in seen.values())


def test_lengths_come_as_often_as_they_were_learnt() -> None:
    seen = Counter(drawn(None, seed) for seed in range(4000))
    assert set(seen) == {3, 5, 9}
    assert abs(seen[5] - 2400) < 150 and abs(seen[9] - 1200) < 130
    assert {drawn(None, seed, least=6) for seed in range(30)} == {9}
    assert drawn(None, least=12) == 20  # longer than any that it knows


@pytest.mark.parametrize(
    "asked", [0, 21, "0-3", "5-21", "9-3", "-4", "a", "", "3-", (3,), (3, "4"), 2.5, True, (9, 3)]
)
def test_what_is_no_length_is_refused(asked: object) -> None:
    with pytest.raises(PromptError, match="length"):
        drawn(asked)


def test_a_config_says_how_long_sequences_were() -> None:
    assert Lengths.from_json(USUAL.to_json(), "x") == USUAL
    assert Lengths.from_json(None, "x") is None
    for fields in ({}, [], {"3": 0}, {"a": 1}, {"3": "1"}, {"-1": 2}, {"3": True}):
        with pytest.raises(CheckpointError, match='x: "lengths" must say'):
            Lengths.from_json(fields, "x")
