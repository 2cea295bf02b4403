"""What answers say, as a table: references and answers are read by one rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.data.questions import Question, protocol
from unmask.data.reading_answers import letter_in, number_in, value_of

SAME = [
    ["29", "29.00", "$29", "+29", "29.", "29 apples", "$29.0", "29,"],
    ["50", "50%", "50 %", "50.0%"],
    ["70000", "70,000", "$70,000.00"],
    ["1/2", ".5", "0.50", "0.5", "2/4"],
    ["-3", "\u22123", "-$3", "$-3", "-3.0"],
    ["5/2", "2.50", "$2.5"],
]


@pytest.mark.parametrize("written", SAME, ids=lambda written: written[0])
def test_a_number_is_its_value_whatever_stands_around_it(written) -> None:
    assert {value_of(number) for number in written} == {written[0]}
    asked = protocol("gsm8k")
    for reference in written:
        for answer in written:
            for text in (f"Answer: {answer}", f"so it is {answer}", f"... #### {answer}"):
                assert asked.is_right(Question("", reference), text), (reference, text)


def test_different_numbers_are_different() -> None:
    values = [value_of(written[0]) for written in SAME]
    assert len(set(values)) == len(SAME)
    assert value_of("none") == value_of("1/0") == ""
    asked = protocol("gsm8k")
    assert not asked.is_right(Question("", "5"), "no idea")  # "" is not "" here


@given(st.integers(-(10**9), 10**9))
def test_every_whole_number_is_read_back(number: int) -> None:
    for written in (str(number), f"{number:,}", f"{number}.0"):
        assert value_of(written) == str(number) == value_of(number_in(f"the answer is {written}"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("so 3+4=7 and 7-4=3", "3"),
        ("costs 5-2", "2"),
        ("<<9-12=-3>>-3 left", "-3"),
        ("Answer: **-$3** of 5", "-3"),
        (r"so \boxed{1,200} apples, not 7", "1200"),
        ("The answer is 18 apples, and 2 pears.", "18"),
        ("pays $3, then $5.50.", "5.5"),
        ("nothing", ""),
    ],
)
def test_the_number_that_is_meant(answer, said) -> None:
    assert number_in(answer) == said


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("Answer: b", "B"), ("Answer: (b)", "B"), ("Answer: **B**", "B"), ("**Answer:** B", "B"),
        ("b", "B"), ("B) Paris", "B"), ("B. Paris", "B"), ("The answer is B.", "B"),
        ("The correct answer is (B).", "B"), (r"\boxed{B}", "B"), (r"$\boxed{\text{C}}$", "C"),
        ("ANSWER: B", "B"), ("Answer: A cat, so B", "B"), ("Answer: B, since Paris", "B"),
        ("The answer is A. But wait, the answer is B.", "B"), ("Answer: A\n\nbecause", "A"),
        ("answer is the option C", "C"), ("So the answer is: D)", "D"), ("I think\nD.", "D"),
        ("Answer: A or B", ""), ("It is A or B", ""), ("A or B", ""), ("a cat", ""), ("", ""),
        ("Answer: Because", ""), ("I think so", ""),
    ],
)  # fmt: skip
def test_the_letter_that_is_chosen(answer, letter) -> None:
    assert letter_in(answer) == letter
    if letter:
        asked = protocol("mmlu")
        assert asked.is_right(Question("", letter), answer)
        assert not asked.is_right(Question("", "ABCD".replace(letter, "")[0]), answer)
