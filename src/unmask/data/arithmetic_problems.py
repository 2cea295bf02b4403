"""How an arithmetic problem is put together: who and what, sentences, numbers, and the answer.

A problem is one question that stands alone, or a story: a start, some changes, and a question.
Its wordings are chosen first, then numbers that suit them; where there are none in a few tries,
other wordings are.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from unmask.data.arithmetic_grammar import Cast, Wording, base_form, capitalised, pronoun
from unmask.data.arithmetic_measures import MEASURES
from unmask.data.arithmetic_numbers import (
    LARGEST,
    Step,
    a_number,
    calculated,
    fill_in,
    is_held_out_pair,
)
from unmask.data.arithmetic_stories import ASIDES, DOING, MEETING, WORLDS, Wordings, World
from unmask.data.arithmetic_wordings import ALONE
from unmask.data.arithmetic_words import (
    ACTIVITIES,
    COLOURS,
    CONTAINERS,
    DAYS,
    KIN,
    PACKINGS,
    PEOPLE,
    PLACES,
    QUALITIES,
    SCENES,
    THINGS,
    Noun,
    Person,
    Upto,
    made_up_person,
    made_up_thing,
    plural,
)

WORDINGS, ITEMS, NUMBERS = "wordings", "things", "numbers"
HELD_OUT = frozenset((WORDINGS, ITEMS, NUMBERS))
"""What can be held out."""


@dataclass(frozen=True)
class Made:
    """A problem, put together."""

    question: str
    answer: str
    result: int
    wordings: tuple[str, ...]
    things: tuple[str, ...]
    calculations: tuple[tuple[int, str, int], ...]


@dataclass(frozen=True)
class _Pools:
    """What is to be chosen from."""

    alone: dict[int, dict[str, tuple[Wording, ...]]]
    """By number of calculations and sign of the first."""
    starts: dict[str, dict[int, dict[str, tuple[Wording, ...]]]]
    """By name of the world, besides."""
    changes: dict[str, dict[int, dict[str, tuple[Wording, ...]]]]
    ends: dict[str, dict[int, dict[str, tuple[Wording, ...]]]]
    questions: dict[str, dict[str, tuple[Wording, ...]]]
    question_first: dict[str, tuple[Wording, ...]]
    asides: tuple[Wording, ...]


_BOTH = {
    key: ALONE.get(key, ()) + MEASURES.get(key, ()) for key in dict.fromkeys((*ALONE, *MEASURES))
}


def _sorted(groups: Wordings, is_all: bool) -> dict[int, dict[str, tuple[Wording, ...]]]:
    found: dict[int, dict[str, tuple[Wording, ...]]] = {}
    for group in groups.values():
        for each in group:
            if is_all or not each.is_held_out:
                by_sign = found.setdefault(each.num_operations, {})
                sign = each.steps[0].sign if each.steps else ""
                by_sign[sign] = by_sign.get(sign, ()) + (each,)
    return found


def _kept(group: Iterable[Wording], is_all: bool) -> tuple[Wording, ...]:
    return tuple(each for each in group if is_all or not each.is_held_out)


def _pools(is_all: bool) -> _Pools:
    return _Pools(
        alone=_sorted(_BOTH, is_all),
        starts={world.name: _sorted(world.starts, is_all) for world in WORLDS},
        changes={world.name: _sorted(world.changes, is_all) for world in WORLDS},
        ends={world.name: _sorted(world.ends, is_all) for world in WORLDS},
        questions={
            world.name: {
                sign: _kept(group, is_all)
                for sign, group in world.questions.items()
                if _kept(group, is_all)
            }
            for world in WORLDS
        },
        question_first={world.name: _kept(world.question_first, is_all) for world in WORLDS},
        asides=_kept(ASIDES, is_all),
    )


_POOLS = {is_all: _pools(is_all) for is_all in (False, True)}
_THINGS = {is_new: tuple(x for x in THINGS if x.is_held_out == is_new) for is_new in (False, True)}
_FOOD = {is_new: tuple(x for x in group if x.is_food) for is_new, group in _THINGS.items()}
_SCENES = {
    is_new: tuple(x for x in SCENES if x.who.is_held_out == is_new) for is_new in (False, True)
}
_ACTIVITIES = {
    is_new: tuple(x for x in ACTIVITIES if x[1].is_held_out == is_new) for is_new in (False, True)
}
_BY_GENDER = {
    gender: tuple(person for person in PEOPLE if person.gender in gender)
    for gender in ("f", "m", "fm", "fmn")
}
_OTHER = {"f": "m", "m": "f", "n": "fm"}
_ALL_WORLDS = (0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4)
"""Places in `WORLDS`; some are likelier."""
_SIGNS = "+++--**//"
_TRIES = 5
_LONGEST = 500
"""Letters of a question and, counting more, of its answer: about 300 tokens with the canvas."""


@dataclass(frozen=True)
class _Plan:
    """The wordings of a problem."""

    world: World | None
    told: tuple[Wording, ...]
    """The start and the changes; none where the question stands alone."""
    asked: Wording | None
    """The question, unless it comes first."""
    aside: Wording | None
    first: Wording | None
    """The beginning of a question that comes first."""

    @property
    def calculating(self) -> tuple[Wording, ...]:
        """Those with numbers, in order."""
        return self.told + ((self.asked,) if self.asked else ())

    @property
    def all(self) -> tuple[Wording, ...]:
        """All of them."""
        others = (self.aside, self.first)
        return self.calculating + tuple(each for each in others if each)


def made(num_operations: int, held_out: frozenset[str], upto: Upto) -> Made:
    """A problem of so many calculations; with something held out of each of those kinds."""
    pools = _POOLS[WORDINGS in held_out]
    while True:
        plan = _planned(num_operations, pools, upto)
        if plan is None:
            continue
        if WORDINGS in held_out and not any(each.is_held_out for each in plan.all):
            continue
        if ITEMS in held_out and not any(each.has_things for each in plan.calculating):
            continue
        for _ in range(_TRIES):
            numbers = _numbered(plan, upto)
            if numbers is None:
                continue
            calculations = [each for _, some in numbers for each in some]
            is_new = any(is_held_out_pair(*each) for each in calculations)
            if is_new == (NUMBERS in held_out):
                found = _written(plan, numbers, ITEMS in held_out, upto)
                if len(found.question) + 1.2 * len(found.answer) <= _LONGEST:
                    return found


def _planned(num_operations: int, pools: _Pools, upto: Upto) -> _Plan | None:
    if num_operations in pools.alone and upto(20) < (0, 9, 7, 5)[num_operations]:
        by_sign = pools.alone[num_operations]
        signs = _SIGNS if num_operations == 1 else "".join(by_sign)
        group = by_sign.get(signs[upto(len(signs))], ())
        return _Plan(None, (), group[upto(len(group))], None, None) if group else None
    world = WORLDS[_ALL_WORLDS[upto(len(_ALL_WORLDS))]]
    starts, changes = pools.starts[world.name], pools.changes[world.name]
    num_left = num_operations
    asked: Wording | None = None
    first: Wording | None = None
    num_asked = _num_asked(num_operations, upto)
    if num_asked:
        asked = _one(pools.ends[world.name], num_asked, upto)
        num_left -= num_asked
        if asked is None:
            return None
    num_started = int(num_left > 0 and upto(5) < 2)
    start = _one(starts, num_started, upto)
    if start is None:
        return None
    told = [start]
    num_left -= num_started
    while num_left:
        num = 2 if num_left >= 2 and upto(4) == 0 else 1
        change = _one(changes, num, upto)
        if change is None or change in told:
            return None
        told.append(change)
        num_left -= num
    is_shared = start.has_others and world.is_about_somebody
    if asked and is_shared and not asked.is_about_hero:
        return None
    if asked is None:
        questions = pools.questions[world.name]
        sign = told[-1].steps[-1].sign if told[-1].steps else ""
        if pools.question_first[world.name] and len(told) <= 3 and upto(8) == 0:
            beginnings = pools.question_first[world.name]
            first = beginnings[upto(len(beginnings))]
        else:
            key = sign if sign in questions and upto(2) else ""
            asked = questions[key][upto(len(questions[key]))]
    if asked and not num_asked and is_shared and not asked.is_about_hero_alone:
        return None
    if first and start.text.startswith("{in place}"):
        return None
    if first and any(". " in each.text or " and " in each.text for each in told):
        return None
    aside = None
    if not first and upto(8) == 0:
        aside = pools.asides[upto(len(pools.asides))]
        if world is MEETING and not aside.gaps.isdisjoint("ABC"):
            aside = None
    return _Plan(world, tuple(told), asked, aside, first)


def _num_asked(num_operations: int, upto: Upto) -> int:
    kind = upto(20)
    if num_operations == 1:
        return int(kind < 6)
    if num_operations == 2:
        return 0 if kind < 9 else 1 if kind < 17 else 2
    return 0 if kind < 8 else 1 if kind < 15 else 2


def _one(
    groups: dict[int, dict[str, tuple[Wording, ...]]], num: int, upto: Upto
) -> Wording | None:
    by_sign = groups.get(num)
    if not by_sign:
        return None
    if num == 1:
        group = by_sign.get(_SIGNS[upto(len(_SIGNS))], ())
    else:
        signs = tuple(by_sign)
        group = by_sign[signs[upto(len(signs))]]
    return group[upto(len(group))] if group else None


_Numbers = list[tuple[dict[str, int], list[tuple[int, str, int]]]]


def _numbered(plan: _Plan, upto: Upto) -> _Numbers | None:
    found: _Numbers = []
    total = 0
    later = [step for each in plan.calculating[1:] for step in each.steps if step.left == "T"]
    for each in plan.calculating:
        numbers = {"T": total} if total else {}
        if not each.steps and not found:
            total = numbers["n"] = _first_number(later, upto)
            found.append((numbers, []))
            continue
        largest = each.largest
        if total and any(step.sign == "-" and step.right == "p" for step in each.steps):
            largest = max(2, (total - 1) // 3)
        calculations = fill_in(each.steps, numbers, upto, largest)
        if calculations is None:
            return None
        if calculations:
            left, sign, right = calculations[-1]
            total = calculated(left, sign, right)
        found.append((numbers, calculations))
    if plan.aside:
        numbers = {"d": 2 + upto(30)}
        found.append((numbers, []))
    return found


def _first_number(later: list[Step], upto: Upto) -> int:
    """What a story begins with; it suits the first calculation to come."""
    sign = later[0].sign if later else ""
    if sign == "/":
        divisor = 2 + upto(9)
        if isinstance(later[0].right, int):
            divisor = later[0].right
        return divisor * (2 + upto(LARGEST // divisor - 1 if upto(3) == 0 else 9))
    return a_number(upto, 25 if sign == "*" else LARGEST)


def _people(plan: _Plan, upto: Upto) -> list[Person]:
    has_others = any(each.has_others for each in plan.all)
    is_made_up = upto(4) == 0
    hero = _person("fm" if has_others else "fmn", is_made_up, upto, ())
    people = [hero]
    if has_others:
        # Of the other gender, so that every "he" and "she" is the hero: it shows in their names.
        for _ in range(6):
            other = _person(_OTHER[hero.gender], not is_made_up and upto(3) == 0, upto, people)
            people.append(other)
    return people


def _person(gender: str, is_made_up: bool, upto: Upto, others: Iterable[Person]) -> Person:
    names = [each.name for each in others]
    while True:
        if is_made_up:
            person = made_up_person(upto)
            if person.gender not in gender:
                person = Person(person.name, gender[0])
        else:
            group = _BY_GENDER[gender]
            person = group[upto(len(group))]
        if person.name not in names:
            return person


def _thing(is_new: bool, upto: Upto, others: Iterable[Noun], is_plain: bool) -> Noun:
    while True:
        if upto(3) == 0:
            thing = made_up_thing(upto)
            if thing.is_held_out != is_new:
                continue
        else:
            group = _THINGS[is_new]
            thing = group[upto(len(group))]
        if all(thing.one != other.plain for other in others):
            break
    if is_plain or upto(10):
        return thing
    words = COLOURS if upto(2) and not thing.is_food else QUALITIES
    word = words[upto(len(words))] + " "
    return Noun(word + thing.one, word + thing.many, thing.is_food, adjective=word)


def _cast(plan: _Plan, is_new: bool, upto: Upto) -> tuple[Cast, list[Person], list[str]]:
    gaps = frozenset[str]().union(*(each.gaps for each in plan.all))
    words: dict[str, str] = {"currency": "$" if upto(3) else "dollars", "did": "did"}
    things: dict[str, Noun] = {}
    used: list[str] = []
    is_plain = "col1" in gaps or "white" in gaps
    needs_food = any(each.is_about_food for each in plan.all)
    if plan.world is MEETING:
        group = _SCENES[is_new]
        scene = group[upto(len(group))]
        things["t"] = scene.who
        words |= {"at": scene.where, "comes": scene.comes, "goes": scene.goes}
        used.append(things["t"].one)
    elif plan.world is DOING:
        acts = _ACTIVITIES[is_new]
        words["act"], things["t"] = acts[upto(len(acts))]
        used.append(things["t"].one)
        words["@base"] = base_form(words["act"])
    for name, forms in (("t", ("t", "ts")), ("u", ("u", "us")), ("v", ("v", "vs"))):
        if name not in things and not gaps.isdisjoint(forms):
            thing = _thing(is_new, upto, things.values(), is_plain or name != "t")
            if name == "t" and needs_food and not thing.is_food:
                thing = _FOOD[is_new][upto(len(_FOOD[is_new]))]
            things[name] = thing
            used.append(thing.plain)
    if not gaps.isdisjoint(("box", "boxes")):
        containers = PACKINGS if any("put" in each.text for each in plan.all) else CONTAINERS
        things["box"] = containers[upto(len(containers))]
    if "place" in gaps or "in" in gaps:
        words["in"], words["place"] = PLACES[upto(len(PLACES))]
        things["place"] = Noun(words["place"], plural(words["place"]))
    if "col1" in gaps or "col2" in gaps:
        one, other = upto(5), upto(4)
        words["col1"], words["col2"] = COLOURS[one], COLOURS[(one + 1 + other) % 5]
    if "day1" in gaps or "day2" in gaps:
        day = upto(7)
        words["day1"], words["day2"] = DAYS[day], DAYS[(day + 1) % 7]
    if "kin" in gaps:
        words["kin"], _ = KIN[upto(len(KIN))]
    people = _people(plan, upto)
    style = upto(20)
    cast = Cast(
        upto=upto,
        people=(people[0], people[1 % len(people)], people[2 % len(people)]),
        things=things,
        words=words,
        is_past=plan.world is DOING or (plan.world is not None and upto(9) < 4),
        in_words=0 if style < 13 else 10 if style < 16 else 4,
    )
    return cast, people, used


def _written(plan: _Plan, numbers: _Numbers, is_new: bool, upto: Upto) -> Made:
    cast, people, things = _cast(plan, is_new, upto)
    story = _Story(plan, cast, people, numbers)
    question = capitalised(story.question())
    answer, result = _answer(plan, cast, numbers)
    return Made(
        question=question,
        answer=answer,
        result=result,
        wordings=tuple(each.text for each in plan.all),
        things=tuple(things),
        calculations=tuple(each for _, some in numbers for each in some),
    )


_ADVERBS = ("Then ", "After that, ", "Later, ", "Then ")
_NO_ADVERB = ("after", "by", "the next", "soon", "on ", "then", "in ", "a little", "{in")


@dataclass
class _Story:
    """How a problem is told."""

    plan: _Plan
    cast: Cast
    people: list[Person]
    numbers: _Numbers
    num_met: int = 1
    """Of people."""

    def question(self) -> str:
        """All that is said and asked."""
        plan, cast = self.plan, self.cast
        if not plan.told:
            assert plan.asked
            cast.numbers = self.numbers[0][0]
            cast.subject, cast.is_subject_plural = "", False
            return plan.asked.said(cast)
        if plan.first:
            return f"{self._said(plan.first, {})} {self._in_one_go(is_named=True)}?"
        assert plan.asked
        is_if = (
            cast.upto(14) == 0
            and not plan.aside
            and len(plan.told) <= 3
            and plan.asked.text.startswith(("How", "What"))
            and not any(". " in each.text or " and " in each.text for each in plan.told)
        )
        if is_if:
            story = "If " + self._in_one_go(is_named=False)
            asked = self._said(plan.asked, self.numbers[len(plan.told)][0])
            return f"{story}, {asked[0].lower()}{asked[1:]}"
        sentences = self._sentences()
        asked = self._said(plan.asked, self.numbers[len(plan.told)][0])
        if plan.aside:
            aside = self._said(plan.aside, self.numbers[-1][0])
            # Where it is about somebody else, "he" behind it could be anybody.
            is_first = plan.aside.has_others
            sentences.insert(0 if is_first else 1 + cast.upto(len(sentences)), aside)
        return " ".join([*sentences, asked])

    def _said(self, wording: Wording, numbers: dict[str, int]) -> str:
        """With numbers, and, where others are named, with people who were not met before."""
        cast = self.cast
        cast.numbers = numbers
        if not wording.is_about_subject:
            cast.is_subject_plural = False
        if wording.has_others and len(self.people) > 2:
            first = self.num_met
            others = [self.people[1 + (first - 1 + n) % (len(self.people) - 1)] for n in (0, 1)]
            cast.people = (self.people[0], *others)
            self.num_met += 1 + ("C" in wording.gaps)
        return wording.said(cast)

    def _subject(self, kind: str) -> None:
        hero = self.people[0]
        if kind == "pronoun":
            self.cast.subject = pronoun(hero, "he")
            self.cast.is_subject_plural = hero.gender == "n"
        elif kind == "name":
            self.cast.subject = hero.name
            self.cast.is_subject_plural = False
        else:
            self.cast.subject = ""

    def _in_one_go(self, is_named: bool) -> str:
        """All clauses in one sentence."""
        said = ""
        last = len(self.plan.told) - 1
        may_drop = False
        for place, wording in enumerate(self.plan.told):
            if place == 0:
                self._subject("pronoun" if is_named and wording.is_about_subject else "name")
                was_plural = self.cast.is_subject_plural
                said = self._said(wording, self.numbers[0][0])
                if wording.text[0].isupper() and not said.startswith(self.people[0].name):
                    said = said[0].lower() + said[1:]
                may_drop = wording.is_about_subject
                self.cast.is_subject_plural = was_plural
                continue
            if may_drop and wording.is_about_subject:
                self._subject("dropped")
                self.cast.is_subject_plural = was_plural
                joint = " and " if place == last else ", "
            else:
                self._subject("name" if self.plan.told[0].has_others else "pronoun")
                may_drop, was_plural = wording.is_about_subject, self.cast.is_subject_plural
                joint = ", and "
            said += joint + self._said(wording, self.numbers[place][0]).lstrip()
        return said

    def _sentences(self) -> list[str]:
        """The clauses, some of them joined."""
        cast, upto = self.cast, self.cast.upto
        sentences: list[str] = []
        is_open = was_subject = was_plural = False
        signs = ""
        # Of two people whom the beginning names, "she" may be either.
        is_shared = self.plan.told[0].has_others
        for place, wording in enumerate(self.plan.told):
            is_multiple = ". " in wording.text or " and " in wording.text
            numbers = self.numbers[place][0]
            before = signs[-1:]
            signs += wording.steps[-1].sign if wording.steps else "+"
            is_minus = signs[-1] == "-" != before
            if place == 0:
                self._subject("name")
                was_plural = False
                sentences.append(self._said(wording, numbers) + ".")
                is_open, was_subject = not is_multiple, wording.is_about_subject
                continue
            if is_open and not is_multiple and upto(5) < 2:
                if wording.is_about_subject and was_subject and upto(3):
                    self._subject("dropped")
                    cast.is_subject_plural = was_plural
                    joint = (" and ", " and then ", ", but " if is_minus else " and ")[upto(3)]
                else:
                    self._subject("name" if is_shared else "pronoun")
                    joint = ", but " if is_minus and upto(2) else ", and "
                said = self._said(wording, numbers).lstrip()
                sentences[-1] = f"{sentences[-1][:-1]}{joint}{said}."
                is_open = False
                continue
            self._subject("pronoun" if upto(5) < 3 and not (is_shared and place == 1) else "name")
            was_plural = cast.is_subject_plural
            said = self._said(wording, numbers)
            if upto(4) == 0 and not wording.text.startswith(_NO_ADVERB):
                said = _ADVERBS[upto(len(_ADVERBS))] + said
            sentences.append(said + ".")
            is_open, was_subject = not is_multiple, wording.is_about_subject
        return sentences


_FRAMES = {
    "sum": ("That makes {r}.", "Together that is {r}.", "In all that is {r}."),
    "left": ("That leaves {r}.", "What is left is {r}."),
    "diff": ("The difference is {r}.", "That is a difference of {r}."),
    "product": ("That is {r}.", "That makes {r}."),
    "each": ("That is {r} each.", "That is {r} for each."),
    "groups": ("That makes {r}.", "That is {r}."),
}


def _answer(plan: _Plan, cast: Cast, numbers: _Numbers) -> tuple[str, int]:
    lines = []
    result = 0
    name = cast.people[0].name
    for place, wording in enumerate(plan.calculating):
        is_change = plan.world is not None and 0 < place < len(plan.told)
        calculations = numbers[place][1]
        for step, (left, sign, right) in zip(wording.steps, calculations, strict=True):
            result = calculated(left, sign, right)
            frames = _FRAMES["product" if plan.told and place == 0 else step.role]
            if plan.told and place == 0 and sign == "+":
                frames = _FRAMES["sum"]
            if is_change and step.result == "T":
                assert plan.world
                frames = plan.world.roles[sign]
            frame = frames[cast.upto(len(frames))]
            unit = step.unit or (plan.world.unit if plan.world else "t")
            said = _counted(f"<<{left}{sign}{right}={result}>>{result}", result, unit, cast)
            lines.append(frame.replace("{r}", said).replace("{A}", name))
    lines.append(f"#### {result}")
    return "\n".join(lines), result


def _counted(said: str, number: int, unit: str, cast: Cast) -> str:
    if unit == "none":
        return said
    if unit == "$":
        return f"${said}"
    noun = cast.things.get(unit)
    if noun is None:
        unit = unit.replace("_", " ")
        noun = Noun(unit, plural(unit))
    return f"{said} {noun.one if number == 1 else noun.many}"
