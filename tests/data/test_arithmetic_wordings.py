"""The sentences of arithmetic problems: how many there are, and that they are English."""

import re
from collections import Counter, defaultdict
from functools import cache

import pytest

from unmask.data.arithmetic import LEVELS, Problem, problem
from unmask.data.arithmetic_grammar import (
    Cast,
    Wording,
    base_form,
    capitalised,
    conjugated,
    past_form,
    wordings,
)
from unmask.data.arithmetic_numbers import read_steps
from unmask.data.arithmetic_stories import WORLDS
from unmask.data.arithmetic_wordings import ALONE
from unmask.data.arithmetic_words import PEOPLE, THINGS, Noun, Person, in_words, plural


@cache
def problems() -> tuple[Problem, ...]:
    return tuple(problem(level, seed=seed) for level in LEVELS for seed in range(1200))


def all_wordings() -> list[Wording]:
    groups = [ALONE, *(each for w in WORLDS for each in (w.starts, w.changes, w.ends))]
    return [each for group in groups for some in group.values() for each in some]


def test_there_are_sixty_wordings_of_each_operation() -> None:
    found = defaultdict(set)
    for wording in all_wordings():
        if len(wording.steps) == 1:
            # As it is said, so that two of them never differ by a name or a number alone.
            found[wording.steps[0].sign].add(re.sub(r"[{}\[\]<>]", "", wording.text))
    assert {sign: len(texts) >= 60 for sign, texts in found.items()} == dict.fromkeys("+-*/", True)


def test_sixty_wordings_of_each_operation_are_really_asked() -> None:
    asking = {each.text for each in all_wordings() if each.steps}
    found = defaultdict(set)
    for seed in range(4000):
        made = problem("single", seed=seed)
        (sign,) = re.findall(r"\d([-+*/])\d", made.equations[0])
        found[sign] |= asking & set(made.wordings)
    assert all(len(found[sign]) >= 60 for sign in "+-*/"), {k: len(v) for k, v in found.items()}


def test_each_wording_is_written_once() -> None:
    for groups in (ALONE, *(each for w in WORLDS for each in (w.changes, w.ends))):
        texts = Counter(each.text for group in groups.values() for each in group)
        assert max(texts.values()) == 1, texts.most_common(1)


def test_there_are_enough_names_and_things() -> None:
    assert len({each.name for each in PEOPLE}) == len(PEOPLE) >= 150
    assert len({each.one for each in THINGS}) == len(THINGS) >= 150


WRONG = {
    "a gap that was not filled": r"[][{}<>|_@]",
    "an article": r"\b[Aa] [aeio]|\b[Aa]n [^aeiouh]",
    "a singular": r"(?<![-$])\b(1|[Oo]ne) (more )?(\w+ )?"
    r"(apples|marbles|students|dollars|boxes|hours|miles|years|eggs|coins|birds|friends|days)\b",
    "an agreement": r"(?<!can )(?<!does )(?<!did )(?<!must )\b([Hh]e|[Ss]he) "
    r"(have|are|were|do|buy|get|give|lose)\b"
    r"|\b[Tt]hey (has|is|was|does|buys|gets|gives|loses|saves|earns)\b",
    "an auxiliary": r"\b(does|did|do) \w+ (has|had|gets|got|needs|needed)\b",
    "a plural with were": r"(?<!-)\b(1|[Oo]ne) (\w+ )?(are|were)\b",
    "a small letter": r"[.?] [a-z]",
    "spaces": r"  |^ | $| [.,?]",
    "a word twice": r"\b(\w+) \1\b",
    "a plural of a plural": r"\b(mores|childrens|peoples|womens|fishes|milees|miless|sheeps)\b",
    "a capital inside": r"\b(if|If|and|but) (In|At|There|Each|The|He|She|They)\b",
}


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_questions_have_no(kind: str) -> None:
    for made in problems():
        found = re.search(WRONG[kind], made.question)
        # Bare sums are no sentences; a hundred is no one.
        assert not found or " = ?" in made.question or "one hundred" in found[0], (
            found,
            made.question,
        )


def test_things_are_counted_in_the_right_number() -> None:
    for made in problems():
        text = made.question + "\n" + made.answer
        for thing in made.things:
            many = plural(thing)
            if many != thing:
                assert not re.search(rf"\b(?<![\d-])(1|[Oo]ne) (more )?{many}\b", text), text
                assert not re.search(rf"\b([2-9]|[1-9]\d+) (more )?{thing}\b", text), text
                assert not re.search(rf"\b[Aa]n? {many}\b|\bhow many {thing}\b", text), text


def test_questions_end_as_questions_or_as_orders() -> None:
    orders = re.compile(r"(Find|Tell|Add|Calculate|Work|Subtract|Multiply|Divide|Can)\b[^.?]*\.$")
    for made in problems():
        assert made.question.endswith("?") or orders.search(made.question), made.question
        assert re.match(r"[A-Z\d(]", made.question), made.question


def test_answers_name_what_is_counted() -> None:
    named = [made for made in problems() if made.things]
    said = sum(any(word in made.answer for word in (*made.things, "$")) for made in named)
    assert said > 0.85 * len(named)


def test_who_is_spoken_of_as_she_has_the_name_of_a_woman() -> None:
    pronouns = {"f": {"she", "her"}, "m": {"he", "him", "his"}, "n": {"they", "them", "their"}}
    known = {each.name: each.gender for each in PEOPLE}
    num_alone = 0
    for made in problems():
        names = [word for word in re.findall(r"[A-Z][a-z]+", made.question) if word in known]
        said = set(re.findall(r"[a-z]+", made.question.lower()))
        if len(set(names)) == 1 and "{B}" not in " ".join(made.wordings):
            num_alone += 1
            wrong = set().union(*(v for k, v in pronouns.items() if k != known[names[0]]))
            wrong -= {"them", "they", "their"}  # those are things as well
            assert not said & wrong, made.question
    assert num_alone > 500


def cast(**changed: object) -> Cast:
    usual: dict[str, object] = {
        "upto": lambda num: 0,
        "people": (Person("Ann", "f"), Person("Bob", "m"), Person("Sam", "n")),
        "things": {"t": Noun("egg", "eggs"), "box": Noun("box", "boxes")},
        "words": {"currency": "$", "col1": "red"},
        "numbers": {"n": 3, "a": 1, "b": 2},
        "subject": "Ann",
    }
    return Cast(**(usual | changed))


@pytest.mark.parametrize(
    ("text", "present", "past"),
    [
        ("{S} [has] {n t}", "Ann has 3 eggs", "Ann had 3 eggs"),
        ("{S} [buys] {a more t}", "Ann buys 1 more egg", "Ann bought 1 more egg"),
        ("{n t} <n flies> away", "3 eggs fly away", "3 eggs flew away"),
        ("{a t} <a is> left", "1 egg is left", "1 egg was left"),
        ("{n t} <n is> left", "3 eggs are left", "3 eggs were left"),
        ("{a another t}, {n another t}", "another egg, another 3 eggs", None),
        ("{a another}, {n another}", "another one, another 3", None),
        ("{n col1 t} in {b box}", "3 red eggs in 2 boxes", None),
        ("How many {does he} get?", "How many does she get?", None),
        ("{does he need} {an t}", "does she need an egg", "did she need an egg"),
        ("{he tries}, {bhe goes}", "she tries, he goes", "she tried, he went"),
        ("{his} {n friend} [give] {bhim} {n}", "her 3 friends give him 3", None),
        ("{$n} or {$a}", "$3 or $1", "$3 or $1"),
        ("{b times}, {n times}", "2 times, 3 times", None),
        ("({he buys}|no)", "she buys", "she bought"),
    ],
)
def test_gaps_are_filled(text: str, present: str, past: str | None) -> None:
    if "How" in text:
        text = text.replace("{does he} get", "{does he get}")
    assert Wording(text).said(cast()) == present
    if past:
        assert Wording(text).said(cast(is_past=True)) == past


def test_a_subject_that_is_they_has_a_plural_verb() -> None:
    they = cast(subject="they", is_subject_plural=True)
    assert Wording("{S} [loses] {n} and [has] to go").said(they) == "they lose 3 and have to go"
    they = cast(people=(Person("Sam", "n"),) * 3, is_past=False)
    assert Wording("{he has}, {does he need}").said(they) == "they have, do they need"


def test_numbers_are_written_in_words_where_they_are_asked_for() -> None:
    assert [in_words(n) for n in (0, 7, 12, 20, 24, 99, 100)] == [
        "zero", "seven", "twelve", "twenty", "twenty-four", "ninety-nine", "one hundred",
    ]  # fmt: skip
    said = " ".join(made.question.lower() for made in problems())
    for words in ("twenty-four", "a dozen", "twice", "half", "double", "triple", " seven "):
        assert words in said


def test_many_names_and_things_are_made_up() -> None:
    known = {each.one for each in THINGS}
    things = [thing for made in problems() for thing in made.things]
    assert 0.1 < sum(thing not in known for thing in things) / len(things) < 0.6
    assert len(set(things)) > 800


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("box", "boxes"), ("berry", "berries"), ("toy", "toys"), ("child", "children"),
        ("fence post", "fence posts"), ("sheep", "sheep"), ("glass", "glasses"),
        ("knife", "knives"), ("blix", "blixes"), ("person", "people"), ("lunch", "lunches"),
    ],
)  # fmt: skip
def test_plurals(one: str, many: str) -> None:
    assert plural(one) == many


def test_verbs() -> None:
    forms = ("tries", "watches", "goes", "is", "has", "uses", "gives", "plays", "passes")
    assert [base_form(each) for each in forms] == [
        "try", "watch", "go", "are", "have", "use", "give", "play", "pass",
    ]  # fmt: skip
    assert [past_form(each) for each in forms] == [
        "tried", "watched", "went", "was", "had", "used", "gave", "played", "passed",
    ]  # fmt: skip
    assert conjugated("gets off", True, True) == "got off"
    assert conjugated("is added", True, True) == "were added"


def test_sentences_begin_with_capitals() -> None:
    assert capitalised("ten go. two stay? the rest, 1.5 of it") == (
        "Ten go. Two stay? The rest, 1.5 of it"
    )


def test_steps_are_read() -> None:
    first, second = read_steps("m*n=p; T-p left @box")
    assert (first.left, first.sign, first.right, first.result) == ("m", "*", "n", "p")
    assert (second.role, second.unit, second.result) == ("left", "box", "T")
    assert read_steps("T/2")[0].right == 2 and read_steps("T/2")[0].role == "product"


def test_wordings_are_one_a_line_and_a_long_one_may_go_on_in_the_next() -> None:
    (group,) = wordings({"a+b <30": "\n One {a}   and {b}.\n Two {b}.\n"}).values()
    assert [each.text for each in group] == ["One {a} and {b}.", "Two {b}."]
    assert group[0].largest == 30
