"""The problems are right, of their level, and what is held out is held out."""

import re
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.data.arithmetic import (
    LEVELS,
    Problem,
    as_typed,
    begun,
    blanked,
    drill,
    problem,
    result_of,
)
from unmask.data.arithmetic_grammar import Wording
from unmask.data.arithmetic_numbers import is_held_out_pair
from unmask.data.arithmetic_problems import HELD_OUT
from unmask.data.arithmetic_stories import ASIDES
from unmask.data.arithmetic_words import in_words, is_hashed_out
from unmask.errors import ConfigError

SEEDS = st.integers(0, 2**63 - 1)
KINDS = [frozenset[str](), *(frozenset({kind}) for kind in sorted(HELD_OUT)), HELD_OUT]
SIGNS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}
SAID = {in_words(number): number for number in range(101)}
UNSAID = {
    "a dozen": 12, "twice": 2, "double": 2, "triple": 3, "half": 2, "third": 3, "quarter": 4,
    "fifth": 5, "pairs": 2, "each hand": 2, "and the same number to": 2, "equally with": 2,
    "split": 2, "share": 2, "another": 1, "week": 7, "many hours are there": 24,
    "many months": 12, " dozen?": 12,
}  # fmt: skip
"""What stands for a number without being one."""


def parts(equation: str) -> tuple[int, str, int, int]:
    left, sign, right, result = re.fullmatch(r"(\d+)([-+*/])(\d+)=(\d+)", equation).groups()
    return int(left), sign, int(right), int(result)


def is_held_out(equation: str) -> bool:
    return is_held_out_pair(*parts(equation)[:3])


@cache
def problems(level: str, held_out: frozenset[str], num: int) -> tuple[Problem, ...]:
    return tuple(problem(level, seed=seed, held_out=held_out) for seed in range(num))


@settings(deadline=None)
@given(SEEDS, st.sampled_from(sorted(LEVELS)), st.sampled_from(KINDS))
def test_the_answer_is_right_and_in_its_format(
    seed: int, level: str, held_out: frozenset[str]
) -> None:
    made = problem(level, seed=seed, held_out=held_out)
    assert result_of(made.answer) == str(made.result)
    lines = made.answer.split("\n")
    assert lines[-1] == f"#### {made.result}"
    found = [re.search(r"<<(.+)=(\d+)>>(\d+)\b", line) for line in lines[:-1]]
    assert [f"{m[1]}={m[2]}" for m in found if m] == list(made.equations)
    assert all(match and match[2] == match[3] for match in found)
    for left, sign, right, result in map(parts, made.equations):
        assert SIGNS[sign](left, right) == result >= 1
        assert sign != "/" or left % right == 0
    assert result == made.result
    assert len(made.equations) == LEVELS[level].num_operations
    assert max(map(int, re.findall(r"\d+", made.answer))) <= 300


def test_every_result_but_the_last_is_calculated_with() -> None:
    for level in LEVELS:
        for made in problems(level, frozenset(), 400):
            equations = [parts(each) for each in made.equations]
            for place, (*_, result) in enumerate(equations[:-1], start=1):
                later = equations[place:]
                assert any(result in (left, right) for left, _, right, _ in later), made


def test_what_is_calculated_with_is_said_and_what_is_said_is_calculated_with() -> None:
    """The only link between a question and its answer that does not trust the sentences."""
    asides = {each.text for each in ASIDES}
    for level in LEVELS:
        for made in problems(level, frozenset(), 600):
            said = numbers_said(made.question)
            results: set[int] = set()
            used: Counter[int] = Counter()
            for left, _, right, result in map(parts, made.equations):
                for number in (left, right):
                    if number not in results:
                        used[number] += 1
                results.add(result)
            unsaid = {value for words, value in UNSAID.items() if words in made.question.lower()}
            unsaid |= {4} if "wheels" in made.question else set()
            assert used.keys() <= said.keys() | unsaid, (made, said)
            spare = {number for number in said if number not in (*used, *results, 1)}
            assert len(spare) <= len(asides & set(made.wordings)), (made, spare)


def numbers_said(question: str) -> Counter[int]:
    words = re.findall(r"\d+|[a-z]+(?:-[a-z]+)?(?: hundred)?", question.lower())
    found = [int(word) if word.isdigit() else SAID.get(word) for word in words]
    return Counter(number for number in found if number is not None)


def held_out_in(made: Problem) -> dict[str, set[str]]:
    """What a problem has that is held out, of each kind."""
    return {
        "wordings": {text for text in made.wordings if Wording(text).is_held_out},
        "things": {thing for thing in made.things if is_hashed_out(thing)},
        "numbers": {each for each in made.equations if is_held_out(each)},
    }


def all_in(made: Problem) -> dict[str, set[str]]:
    swapped = {
        f"{right}{sign}{left}={result}"
        for left, sign, right, result in map(parts, made.equations)
        if sign in "+*"
    }
    return {
        "wordings": set(made.wordings),
        "things": set(made.things),
        "numbers": set(made.equations) | swapped,
    }


@pytest.mark.slow
@pytest.mark.parametrize("held_out", KINDS[1:], ids=lambda kinds: "+".join(sorted(kinds)))
def test_what_is_held_out_is_never_trained_on(held_out: frozenset[str]) -> None:
    training = [all_in(made) for level in LEVELS for made in problems(level, frozenset(), 1500)]
    for kind in sorted(HELD_OUT):
        seen = set[str]().union(*(each[kind] for each in training))
        for level in LEVELS:
            for made in problems(level, held_out, 120):
                new = held_out_in(made)[kind]
                assert bool(new) == (kind in held_out), (kind, made)
                assert new.isdisjoint(seen)


def test_true_holds_out_all_of_them_and_false_nothing() -> None:
    for seed in range(20):
        assert problem("easy", seed=seed, held_out=True) == problem(
            "easy", seed=seed, held_out=HELD_OUT
        )
        assert problem("easy", seed=seed) == problem("easy", seed=seed, held_out=frozenset())


def test_something_else_cannot_be_held_out() -> None:
    with pytest.raises(ConfigError, match="nothing called 'names'.*numbers, things, wordings"):
        problem("easy", seed=0, held_out=frozenset({"names"}))


def test_there_are_things_sums_and_differences_of_each_kind_to_be_held_out() -> None:
    made = [each for level in LEVELS for each in problems(level, HELD_OUT, 120)]
    signs = Counter(parts(new)[1] for each in made for new in held_out_in(each)["numbers"])
    assert signs["+"] > 50 and signs["-"] > 50
    assert not any(
        sign in "*/" and max(right, result if sign == "/" else left) <= 12
        for each in made
        for left, sign, right, result in map(parts, held_out_in(each)["numbers"])
    )


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
        assert not is_held_out(equation)


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
    words = re.findall(r" ?<<|>>| ?[A-Za-z]+|####|\n| ?\S", answer)
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
    assert all(pieces[2:-2:2])


def test_a_drill_can_be_of_held_out_equations() -> None:
    for seed in range(20):
        equations = "".join(drill("easy", seed=seed, held_out=True)).split()
        assert all(is_held_out(each[2:-2]) for each in equations)


def test_drills_of_single_operations_have_the_numbers_that_problems_give() -> None:
    for level, largest in (("single", 100), ("hard", 290)):
        made = [each[2:-2] for n in range(200) for each in "".join(drill(level, seed=n)).split()]
        lefts = [left for left, sign, _, _ in map(parts, made) if sign == "+"]
        assert 0.9 * largest < max(lefts) <= largest
        assert max(result for *_, result in map(parts, made)) <= 300
        assert {sign for _, sign, _, _ in map(parts, made)} == set("+-*/")


def test_a_tenth_is_held_out_but_no_facts() -> None:
    pairs = [(left, right) for left in range(11, 101) for right in range(1, 101)]
    for sign in "+-":
        share = sum(is_held_out_pair(left, sign, right) for left, right in pairs) / len(pairs)
        assert 0.08 < share < 0.12
    assert not any(is_held_out_pair(a, "+", b) for a in range(11) for b in range(11))
    assert not any(is_held_out_pair(a + b, "-", b) for a in range(11) for b in range(11))
    assert not any(is_held_out_pair(a, "*", b) for a in range(13) for b in range(13))
    assert not any(is_held_out_pair(a * b, "/", b) for a in range(13) for b in range(1, 13))
    assert all(is_held_out_pair(a, "+", b) == is_held_out_pair(b, "+", a) for a, b in pairs)


def test_a_question_is_typed_as_visitors_type() -> None:
    question = "How many has Tom?"
    typed = Counter(as_typed(question, seed=seed) for seed in range(160))
    assert 0.6 < typed[question] / 160 < 0.8
    assert {"how many has tom?", "how many has tom", "How many has Tom"} <= typed.keys()
    assert any(each.endswith(question) and each != question for each in typed)
    assert any(each.startswith(question) and each != question for each in typed)


def test_brackets_stay_where_they_are_no_choice() -> None:
    asked = [problem("easy", seed=seed) for seed in range(3000)]
    found = [(re.search(r"\((\d+) (.) (\d+)\)", each.question), each) for each in asked]
    bracketed = [(inside, each) for inside, each in found if inside]
    assert len(bracketed) > 5
    for inside, each in bracketed:
        assert each.equations[0].startswith("".join(inside.groups()) + "="), each


def test_a_problem_is_its_seed() -> None:
    assert problem("easy", seed=3) == problem("easy", seed=3)
    made = {problem("easy", seed=seed).question for seed in range(200)}
    assert len(made) == 200


def test_no_level_is_made_of_one_operation_or_one_kind_of_story() -> None:
    for level in LEVELS:
        made = problems(level, frozenset(), 1500)
        signs = Counter(parts(each)[1] for problem in made for each in problem.equations)
        assert min(signs.values()) > 0.12 * sum(signs.values()), signs
        wordings = Counter(text for problem in made for text in problem.wordings)
        assert max(wordings.values()) < 0.12 * len(made)
        assert len(wordings) > 250


def test_questions_and_answers_are_not_too_long() -> None:
    made = problems("hard", frozenset(), 1500)
    assert max(len(each.question) + 1.2 * len(each.answer) for each in made) <= 500


def test_an_unknown_level_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no level 'huge'.*easy, medium, long, hard"):
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
