"""Text behind other text, in tokens and back."""

import pytest

from tests.spellings import byte_level, composing, with_fallback
from unmask.speculation.retokenise import Spelling

SPELLINGS = [byte_level, composing, with_fallback]
AWKWARD = [
    "", "apples", " apples", "  apples ", "\n\nand\n", "a\n", "e\u0301", "\u00e9t\u00e9",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467!", "\u65e5\u672c 12",
    " \u20ac", "\u0301", "\u200d",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("text", AWKWARD, ids=repr)
def test_text_comes_back_with_the_spaces_at_its_borders(spelling, text) -> None:
    made = spelling()
    assert isinstance(made, Spelling)
    said = made.text(made.token_ids(text))
    is_composed = spelling is composing and text == "e\u0301"
    assert said == ("\u00e9" if is_composed else text)


def test_a_word_says_its_space_wherever_it_stands() -> None:
    spelling = with_fallback()
    word = spelling.tokenizer.token_to_id("\u2581app")
    assert spelling.text([word]) == " app"
    assert spelling.tokenizer.decode([word]) == "app"  # as if a text began there
    assert spelling.token_ids(" app") == [word]


def test_what_is_special_is_known() -> None:
    assert with_fallback().special_ids == {0, 1}
    assert byte_level().special_ids == {0, 1, 2, 3, 4, 5}
