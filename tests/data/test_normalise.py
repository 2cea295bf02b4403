import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.data.normalise import Normalise, normalise, normalise_bytes

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat, sat.", "the cat sat"),
        ("In 1984!", "in one nine eight four"),
        ("b2b", "b two b"),
        ("  a\n\tb   c ", "a b c"),
        ("don't", "don t"),
        ("Café №5", "caf five"),
        ("0123456789", " ".join(WORDS)),
        ("\u212aelvin", "elvin"),  # the Kelvin sign: str.lower() would make it a "k"
        ("\udc80x", "x"),
        ("数字", ""),
        ("", ""),
    ],
)
def test_examples_computed_by_hand(text: str, expected: str) -> None:
    assert normalise(text) == expected


def slow_normalise(text: str) -> str:
    """One character after the other, as the rules read."""
    written = ""
    for character in text:
        if character in "0123456789":
            written += f" {WORDS[int(character)]} "
        elif "A" <= character <= "Z" or "a" <= character <= "z":
            written += character.lower()
        else:
            written += " "
    while "  " in written:
        written = written.replace("  ", " ")
    return written.strip(" ")


@given(st.text())
def test_follows_the_rules_character_by_character(text: str) -> None:
    assert normalise(text) == slow_normalise(text)


@given(st.text(" 09aZé\n"))
def test_normal_text_stays_as_it_is(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_each_choice_does_what_it_says() -> None:
    assert Normalise.AS_IS.apply(b"A 1") == b"A 1"
    assert Normalise.TEXT8.apply(b"A 1") == normalise_bytes(b"A 1") == b"a one"
