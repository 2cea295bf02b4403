"""The problems are right, of their level, and what is held out is held out."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.data.arithmetic import LEVELS, _is_held_out, begun, blanked, drill, problem, result_of
from unmask.errors import ConfigError

SEEDS = st.integers(0, 2**63 - 1)


def solve(question: str) -> int:
    """The result, worked out from the words of the question alone."""
    sentences = re.findall(r"[^.?]+[.?]", question)
    numbers = [[int(n) for n in re.findall(r"\d+", sentence)] for sentence in sentences]
    total = numbers[0][0]
    for sentence, given_numbers in zip(sentences[1:-1], numbers[1:-1], strict=True):
        if len(given_numbers) == 2:
            total += given_numbers[0] * given_numbers[1]
            continue
        (n,) = given_numbers
        if "times as many" in sentence:
            total *= n
        elif re.search(r"equal|equally", sentence):
            assert total % n == 0
            total //= n
        elif re.search(r"of them to|loses|sells|takes", sentence):
            total -= n
        else:
            assert re.search(r"more|finds|arrive", sentence), sentence
            total += n
    return total


@settings(deadline=None)
@given(SEEDS, st.sampled_from(sorted(LEVELS)), st.booleans())
def test_the_answer_is_right_and_in_its_format(seed: int, level: str, held_out: bool) -> None:
    made = problem(level, seed=seed, held_out=held_out)
    assert result_of(made.answer) == str(made.result)
    assert solve(made.question) == made.result
    lines = made.answer.split("\n")
    assert lines[-1] == f"#### {made.result}"
    found = [re.search(r"<<(.+)=(\d+)>>(\d+) ", line) for line in lines[:-1]]
    assert [f"{m[1]}={m[2]}" for m in found if m] == list(made.equations)
    for match in found:
        assert match and match[2] == match[3]
        left, sign, right = re.fullmatch(r"(\d+)([-+*/])(\d+)", match[1]).groups()
        assert SIGNS[sign](int(left), int(right)) == int(match[2])
    assert len(made.equations) == LEVELS[level].num_operations
    assert max(map(int, re.findall(r"\d+", made.answer))) <= LEVELS[level].largest


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(sorted(LEVELS)))
def test_nothing_for_testing_is_ever_trained_on(seed: int, level: str) -> None:
    training, testing = problem(level, seed=seed), problem(level, seed=seed, held_out=True)
    assert not any(map(_is_held_out, (training.template, *training.equations)))
    assert _is_held_out(testing.template)
    assert any(map(_is_held_out, testing.equations))


SIGNS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(sorted(LEVELS)))
def test_a_drill_completes_equations_for_training(seed: int, level: str) -> None:
    pieces = drill(level, seed=seed)
    shown, hidden = pieces[::2], pieces[1::2]
    equations = "".join(pieces).split()
    assert len(equations) == len(hidden) == 12
    assert all(re.fullmatch(r" <<\d+[-+*/]\d+=", piece) for piece in shown)
    assert all(re.fullmatch(r"\d+>>", piece) for piece in hidden)
    for equation in (line.removeprefix("<<").removesuffix(">>") for line in equations):
        left, sign, right, result = re.fullmatch(r"(\d+)([-+*/])(\d+)=(\d+)", equation).groups()
        assert SIGNS[sign](int(left), int(right)) == int(result)
        assert not _is_held_out(equation)


def test_the_results_of_a_drill_are_not_what_is_asked_for_next() -> None:
    num_given_away = 0
    for seed in range(50):
        lines = "".join(drill("hard", seed=seed)).split()
        sums = [re.findall(r"\d+", line) for line in lines]
        following = zip(sums, sums[1:], strict=False)
        num_given_away += sum(first[2] == second[0] for first, second in following)
    assert num_given_away < 0.05 * 550


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(sorted(LEVELS)))
def test_an_answer_can_be_begun_anywhere(seed: int, level: str) -> None:
    answer = problem(level, seed=seed).answer
    found = [begun(answer, seed=seed + n) for n in range(400)]
    assert all("".join(parts) == answer for parts in found)
    assert len({len(part) for _, part, _ in found}) > 4
    ends = {len(shown) for shown, _, _ in found}
    starts_of_digits = {place.start() for place in re.finditer(r"(?<! )\d", answer)}
    assert ends >= starts_of_digits | {0, answer.index("\n"), answer.rindex("####")}
    words = re.findall(r" ?<<|>>| ?[A-Za-z]+|####| ?\d|\W", answer)
    edges = {len("".join(words[:n])) for n in range(len(words) + 1)}
    assert "".join(words) == answer
    for shown, part, _ in found:
        first, last = len(shown), len(shown) + len(part)
        assert {first, last} <= edges and 1 <= sum(first < edge <= last for edge in edges) <= 8


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(sorted(LEVELS)))
def test_a_blanked_answer_has_its_numbers_apart(seed: int, level: str) -> None:
    made = problem(level, seed=seed)
    pieces = blanked(made.answer)
    assert "".join(pieces) == made.answer
    assert all(re.fullmatch(r"\D*", words) for words in pieces[::2])
    assert all(re.fullmatch(r"\d+", number) for number in pieces[1::2])


def test_a_drill_can_be_of_held_out_equations_which_are_no_products() -> None:
    for seed in range(20):
        equations = "".join(drill("easy", seed=seed, held_out=True)).split()
        assert all(_is_held_out(each[2:-2]) for each in equations)
        assert not any(sign in "".join(equations) for sign in "*/")


def test_a_tenth_is_held_out() -> None:
    share = sum(_is_held_out(f"{n}+1={n + 1}") for n in range(5000)) / 5000
    assert 0.08 < share < 0.12


def test_a_problem_is_its_seed() -> None:
    assert problem("easy", seed=3) == problem("easy", seed=3)
    made = {problem("easy", seed=seed).question for seed in range(200)}
    assert len(made) == 200


def test_an_unknown_level_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no level 'huge'.*easy, medium, hard"):
        problem("huge", seed=0)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ("so\n#### 42", "42"), ("#### 1,234 ", "1234"), ("none", ""), ("#### a #### -7", "-7"),
        ("####", ""),
    ],
)  # fmt: skip
def test_the_result_of_an_answer(answer: str, result: str) -> None:
    assert result_of(answer) == result
