"""Fresh spelling in worked examples; edges are left out, so each text stands between two."""

import pytest

from unmask.evaluation.novel_spelling import fresh_spelling

KNOWN = {"the", "nine", "history", "a"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("the nine", 7 / 7),
        ("the the nine", 7 / 10),  # the second "the" is not fresh
        ("nine nine nine nine", 4 / 16),
        ("the hixtory", 3 / 10),
        ("history xx", 7 / 9),  # long words count for more
        ("a a a a history", 8 / 11),
        ("", 0.0),
    ],
    ids=str,
)
def test_worked_examples(words, expected):
    assert fresh_spelling(f"cut {words} off", KNOWN) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "the", "the nine", " "])
def test_a_text_of_edges_has_no_words(text):
    assert fresh_spelling(text, KNOWN) == 0


def test_a_text_that_begins_and_ends_with_spaces_loses_nothing():
    assert fresh_spelling(" the nine ", KNOWN) == 1
