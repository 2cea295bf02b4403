"""Sentences of arithmetic problems, written with gaps, and how the gaps are filled.

    (buys|gets)      one of them; ({a} + {b}) with its brackets
    {A} {B} {C}      people; {he} {him} {his} of A, {bhe} {bhim} {bhis} of B
    {S}              A where a clause begins: by name, by pronoun, or left out behind "and"
    {he buys}        "he buys", "they buy", "he bought"
    [buys] [are]     a verb in the tense of the story, which agrees with {S} where that begins
    <n flies>        a verb that agrees with the number n
    {n t} {n more t} a number of things: "1 apple", "7 more apples"; {n another t} "another apple"
    {n times} {$n}   "twice"; "$7"
    {n box}          a number of something else: of {box}, {boxes}, or of any noun in the singular
    {t} {ts} {an t}  the thing, as {u} is another one

A name that stands for a number is a small letter. The wording of a sentence is what is written,
gaps and all; a tenth of the wordings is held out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property

from unmask.data.arithmetic_numbers import Step, read_steps
from unmask.data.arithmetic_words import (
    Noun,
    Person,
    Upto,
    in_words,
    is_hashed_out,
    plural,
    with_article,
)


@dataclass
class Cast:
    """Who and what a problem is about, and how it is told."""

    upto: Upto
    people: tuple[Person, ...]
    """A, B and C."""
    things: dict[str, Noun]
    """By the name of their gap."""
    words: dict[str, str]
    """Of other gaps, by name."""
    is_past: bool = False
    in_words: int = 0
    """Of ten numbers, how many are written in words."""
    numbers: dict[str, int] = field(default_factory=dict)
    subject: str = ""
    is_subject_plural: bool = False

    def number(self, number: int) -> str:
        """In words or in digits."""
        if number <= 100 and self.in_words and self.upto(10) < self.in_words:
            return in_words(number)
        return str(number)


Part = Callable[[Cast], str]


@dataclass(frozen=True)
class Wording:
    """A sentence with gaps, and what it asks to be calculated."""

    text: str
    steps: tuple[Step, ...] = ()
    largest: int = 100
    """Of its numbers."""

    @cached_property
    def is_held_out(self) -> bool:
        """Whether training never sees it."""
        return is_hashed_out(f"sentence: {self.text}")

    @cached_property
    def is_about_subject(self) -> bool:
        """Whether it is a clause that begins with {S}."""
        return self.text.startswith("{S}")

    @cached_property
    def gaps(self) -> frozenset[str]:
        """The words in its gaps, names of numbers and nouns among them."""
        return frozenset(" ".join(re.findall(r"\{([^{}]+)\}", self.text)).split())

    @cached_property
    def has_others(self) -> bool:
        """Whether it names people besides A."""
        return not self.gaps.isdisjoint(("B", "C"))

    @cached_property
    def is_about_hero(self) -> bool:
        """Whether it names A, or says "he" of A."""
        return not self.gaps.isdisjoint(("A", "he", "him", "his"))

    @cached_property
    def is_about_hero_alone(self) -> bool:
        """Whether it cannot be about what some people have together."""
        return "A" in self.gaps and not re.search("total|all", self.text)

    @cached_property
    def has_things(self) -> bool:
        """Whether it names things."""
        return not self.gaps.isdisjoint(("t", "ts", "u", "us", "v", "vs"))

    @cached_property
    def is_about_food(self) -> bool:
        """Whether it makes sense of things to eat alone."""
        return "[eat" in self.text or "goes> bad" in self.text

    @cached_property
    def num_operations(self) -> int:
        """How many calculations it asks for."""
        return len(self.steps)

    @cached_property
    def _parts(self) -> tuple[str | Part, ...]:
        return _read(self.text)

    def said(self, cast: Cast) -> str:
        """With its gaps filled."""
        return "".join([part if isinstance(part, str) else part(cast) for part in self._parts])


def wordings(groups: dict[str, str]) -> dict[str, tuple[Wording, ...]]:
    """Wordings, one a line, by the steps they ask for; "<30" behind steps limits the numbers.

    A sign alone asks for nothing: it says what such a wording fits.
    """
    found: dict[str, tuple[Wording, ...]] = {}
    for key, lines in groups.items():
        steps, _, largest = key.partition("<")
        asked = () if steps in _SIGNS else read_steps(steps)
        made = tuple(
            Wording(" ".join(line.split()), asked, int(largest or 100))
            for line in lines.strip().splitlines()
            if line.strip()
        )
        found[steps.strip()] = found.get(steps.strip(), ()) + made
    return found


_SIGNS = ("+", "-", "*", "/")
_BEGINNING = re.compile(r"(?:^|[.?] )[a-z]")


def capitalised(text: str) -> str:
    """With a capital letter at the beginning of each sentence."""
    return _BEGINNING.sub(lambda found: found[0].upper(), text)


def _read(text: str) -> tuple[str | Part, ...]:
    parts: list[str | Part] = []
    where = 0
    while where < len(text):
        opening = text[where]
        if opening not in "({[<":
            end = re.compile(r"[({\[<]|$").search(text, where)
            assert end
            parts.append(text[where : end.start()])
            where = end.start()
            continue
        end_at = _closing(text, where)
        inside = text[where + 1 : end_at]
        parts.append(_GAPS[opening](inside))
        where = end_at + 1
    return tuple(parts)


def _closing(text: str, where: int) -> int:
    opening, closing = text[where], {"(": ")", "{": "}", "[": "]", "<": ">"}[text[where]]
    depth = 0
    for place in range(where, len(text)):
        depth += (text[place] == opening) - (text[place] == closing)
        if not depth:
            return place
    raise AssertionError(f"{opening} is never closed in {text!r}")


def _alternatives(inside: str) -> Part:
    options, depth, start = [], 0, 0
    for place, letter in enumerate(inside + "|"):
        depth += (letter in "({[<") - (letter in ")}]>")
        if letter == "|" and not depth:
            options.append(_read(inside[start:place]))
            start = place + 1
    num = len(options)
    if num == 1:
        options = [("(", *options[0], ")")]

    def said(cast: Cast) -> str:
        chosen = options[cast.upto(num)]
        return "".join([part if isinstance(part, str) else part(cast) for part in chosen])

    return said


_PAST = {
    "is": "was", "has": "had", "does": "did", "goes": "went", "gets": "got", "gives": "gave",
    "buys": "bought", "sells": "sold", "finds": "found", "loses": "lost", "takes": "took",
    "makes": "made", "brings": "brought", "sends": "sent", "lends": "lent", "spends": "spent",
    "keeps": "kept", "leaves": "left", "breaks": "broke", "eats": "ate", "wins": "won",
    "puts": "put", "comes": "came", "flies": "flew", "swims": "swam", "runs": "ran",
    "drives": "drove", "rides": "rode", "writes": "wrote", "reads": "read", "draws": "drew",
    "catches": "caught", "builds": "built", "teaches": "taught", "sews": "sewed", "knits":
    "knitted", "shines": "shined", "pays": "paid", "steals": "stole", "throws": "threw",
    "falls": "fell", "grows": "grew", "holds": "held", "wants": "wanted", "needs": "needed",
    "begins": "began", "sets": "set", "lays": "laid", "splits": "split", "drops": "dropped",
    "hops": "hopped", "stops": "stopped", "cuts": "cut", "tells": "told", "becomes": "became",
    "feeds": "fed", "costs": "cost", "bends": "bent", "borrows": "borrowed", "hides": "hid",
    "sees": "saw", "knows": "knew", "thinks": "thought", "sleeps": "slept", "drinks": "drank",
    "learns": "learned", "mows": "mowed", "hands": "handed", "lies": "lay", "stands": "stood",
    "sits": "sat", "skips": "skipped", "trips": "tripped", "plans": "planned",
}  # fmt: skip
_BASE = {"is": "are", "has": "have", "does": "do", "goes": "go"}


@cache
def base_form(verb: str) -> str:
    """ "buy" of "buys"; "are" of "is"."""
    if verb in _BASE:
        return _BASE[verb]
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    return verb[:-2] if verb.endswith(("ches", "shes", "sses", "xes", "zzes")) else verb[:-1]


@cache
def past_form(verb: str) -> str:
    """ "bought" of "buys"."""
    if verb in _PAST:
        return _PAST[verb]
    base = base_form(verb)
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return base + "ed"


def conjugated(phrase: str, is_past: bool, is_plural: bool) -> str:
    """A verb, of which the form with "s" is given, and what belongs to it."""
    verb, space, rest = phrase.partition(" ")
    if is_past:
        verb = "were" if verb == "is" and is_plural else past_form(verb)
    elif is_plural:
        verb = base_form(verb)
    return verb + space + rest


_PLURALS = {
    "are": "is", "have": "has", "do": "does", "share": "shares", "take": "takes", "eat": "eats",
    "buy": "buys", "want": "wants", "sit": "sits", "give": "gives", "find": "finds",
    "get": "gets", "pay": "pays", "cost": "costs", "need": "needs", "split": "splits",
    "bring": "brings", "put": "puts", "hold": "holds", "collect": "collects",
    "use": "uses", "stand": "stands", "make": "makes",
}  # fmt: skip


def _verb(inside: str) -> Part:
    is_plural = inside in _PLURALS
    verb = _PLURALS.get(inside, inside)
    if verb.startswith("@"):
        key, always = verb[1:].rstrip("*"), verb.endswith("*")
        return lambda cast: conjugated(
            cast.words[key], cast.is_past, always or cast.is_subject_plural
        )
    assert verb.split(" ")[0].endswith("s"), f"{inside!r} has no form with an s"
    present = verb, base_form(verb)
    past = conjugated(verb, True, False), conjugated(verb, True, True)
    return lambda cast: (past if cast.is_past else present)[is_plural or cast.is_subject_plural]


def _counted_verb(inside: str) -> Part:
    name, verb = inside.split(" ", 1)
    if verb.startswith("@"):
        return lambda cast: conjugated(cast.words[verb[1:]], cast.is_past, cast.numbers[name] != 1)
    return lambda cast: conjugated(verb, cast.is_past, cast.numbers[name] != 1)


_PRONOUNS = {
    "he": {"m": "he", "f": "she", "n": "they"},
    "him": {"m": "him", "f": "her", "n": "them"},
    "his": {"m": "his", "f": "her", "n": "their"},
}


def pronoun(person: Person, which: str) -> str:
    """Of "he", "him", "his" the one that fits."""
    return _PRONOUNS[which][person.gender]


def _gap(inside: str) -> Part:
    first, *rest = inside.split(" ")
    if first in "ABC":
        who = "ABC".index(first)
        return lambda cast: cast.people[who].name
    if first == "S":
        return lambda cast: cast.subject
    if first == "does":
        if not rest:
            return lambda cast: "did" if cast.is_past else "does"
        who, then = int(rest[0].startswith("b")), "".join(f" {word}" for word in rest[1:])

        def asked(cast: Cast) -> str:
            word = "did" if cast.is_past else "do" if cast.people[who].gender == "n" else "does"
            return f"{word} {_PRONOUNS['he'][cast.people[who].gender]}{then}"

        return asked
    who, which = (1, first[1:]) if first in ("bhe", "bhim", "bhis") else (0, first)
    if which in _PRONOUNS:
        forms = _PRONOUNS[which]
        if not rest:
            return lambda cast: forms[cast.people[who].gender]
        verb = " ".join(rest)
        return lambda cast: (
            forms[cast.people[who].gender]
            + " "
            + conjugated(verb, cast.is_past, cast.people[who].gender == "n")
        )
    if first in ("t", "u", "v", "box"):
        return lambda cast: cast.things[first].one
    if first in ("ts", "us", "vs", "boxes"):
        return lambda cast: cast.things[_ONE_OF[first]].many
    if first == "an":
        if rest[0] in ("t", "u", "v", "box"):
            return lambda cast: with_article(cast.things[rest[0]].one)
        return lambda cast: with_article(cast.words[rest[0]])
    if first == "in" and rest:
        return lambda cast: f"{cast.words['in']} the {cast.words['place']}"
    if first.startswith("$"):
        return _money(first[1:])
    if len(first) == 1:
        return _counted(first, rest)
    return lambda cast: cast.words[first]


_ONE_OF = {"ts": "t", "us": "u", "vs": "v", "boxes": "box"}


def _money(name: str) -> Part:
    def said(cast: Cast) -> str:
        number = cast.numbers[name]
        words = cast.number(number)
        if words.isdigit() and cast.words["currency"] == "$":
            return f"${number}"
        return words + (" dollar" if number == 1 else " dollars")

    return said


def _counted(name: str, rest: list[str]) -> Part:
    if not rest:
        return lambda cast: cast.number(cast.numbers[name])
    if rest == ["more"]:
        return lambda cast: f"{cast.number(cast.numbers[name])} more"
    if rest == ["times"]:
        return lambda cast: _times(cast, cast.numbers[name])
    if rest == ["another"]:
        return lambda cast: (
            "another one"
            if cast.numbers[name] == 1
            else f"another {cast.number(cast.numbers[name])}"
        )
    *before, noun = rest
    is_another = before[:1] == ["another"]
    before = before[is_another:]
    known = Noun(noun, plural(noun.replace("_", " ")))

    def said(cast: Cast) -> str:
        number = cast.numbers[name]
        thing = cast.things.get(noun, known)
        words = [cast.number(number)]
        if words[0] == "twelve" and cast.upto(2):
            words[0] = "a dozen"
        if is_another:
            words = ["another"] if number == 1 else ["another", *words]
        words += [cast.words.get(word, word) for word in before]
        words.append((thing.one if number == 1 else thing.many).replace("_", " "))
        return " ".join(words)

    return said


def _times(cast: Cast, number: int) -> str:
    if number == 2 and cast.upto(5):
        return "twice"
    return f"{cast.number(number)} times"


_GAPS: dict[str, Callable[[str], Part]] = {
    "(": _alternatives,
    "{": _gap,
    "[": _verb,
    "<": _counted_verb,
}
