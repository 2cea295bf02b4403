"""The words of arithmetic problems: names, things, places, numbers in words, and made-up ones.

A tenth of the things, made-up ones too, is held out, chosen by a hash of the word.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

Upto = Callable[[int], int]
"""A whole number below the given one, at random."""


def is_hashed_out(text: str) -> bool:
    """Whether a text is in the tenth that is held out."""
    return hashlib.blake2b(text.encode()).digest()[0] % 10 == 0


@dataclass(frozen=True)
class Person:
    """Somebody, and how one speaks of them."""

    name: str
    gender: str
    """Of "f", "m", "n"; the last is spoken of as "they"."""


@dataclass(frozen=True)
class Noun:
    """A thing that can be counted."""

    one: str
    many: str
    is_food: bool = False
    adjective: str = ""
    """What `one` and `many` begin with, and a space."""

    @property
    def plain(self) -> str:
        """The singular without the adjective."""
        return self.one.removeprefix(self.adjective)

    @property
    def is_held_out(self) -> bool:
        """Whether training never sees it, with whatever adjective."""
        return is_hashed_out(self.plain)


_IRREGULAR = {
    "child": "children", "person": "people", "man": "men", "woman": "women", "mouse": "mice",
    "goose": "geese", "foot": "feet", "sheep": "sheep", "knife": "knives", "leaf": "leaves",
    "loaf": "loaves", "shelf": "shelves", "scarf": "scarves", "calf": "calves", "wolf": "wolves",
    "half": "halves", "tomato": "tomatoes", "potato": "potatoes", "mango": "mangoes",
    "fish": "fish", "deer": "deer", "radish": "radishes",
}  # fmt: skip


def plural(noun: str) -> str:
    """Of an English noun, or of a few words that end in one."""
    before, space, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        many = _IRREGULAR[last]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        many = last + "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        many = last[:-1] + "ies"
    else:
        many = last + "s"
    return before + space + many


def with_article(noun: str) -> str:
    """A noun behind "a" or "an", as its first sound wants it."""
    is_vowel = noun[0] in "aeiou" and not noun.startswith(("uni", "use", "eu", "one"))
    return ("an " if is_vowel or noun.startswith("hour") else "a ") + noun


_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_words(number: int) -> str:
    """A number up to 100."""
    if number < 20:
        return _SMALL[number]
    if number == 100:
        return "one hundred"
    ten, one = divmod(number, 10)
    return _TENS[ten - 2] + (f"-{_SMALL[one]}" if one else "")


_WOMEN = (
    "Anna Maria Emma Olivia Sophia Mia Ella Lily Grace Chloe Nora Lena Maya Alma Ruth Zoe Alice "
    "Amy Beth Carla Clara Dana Diana Edith Elena Erin Eva Fiona Gina Hanna Helen Ida Irene Iris "
    "Jane Janet Jenny Jill Joan Judy Julia Karen Kate Kelly Laura Leah Linda Lisa Lucy Mary "
    "Megan Molly Nadia Nancy Nina Olga Paula Petra Priya Rachel Rita Rosa Sally Sandra Sara "
    "Sofia Susan Tanya Tina Vera Wendy Yuki Aisha Fatima Leila Mei Amina Ingrid Carmen Bella "
    "Daisy Hazel Ivy Jasmine Penny Stella Violet Zara Betty"
).split()
_MEN = (
    "Tom Omar Hugo Igor Theo Ivan Karl Adam Alan Ali Andrew Ben Bill Bob Brian Carlos Chris "
    "Daniel David Dennis Diego Eric Felix Frank Fred Gary George Greg Hans Harry Henry Ian Jack "
    "Jacob James Jason Jim Joe John Jorge Juan Kevin Kofi Leo Liam Louis Luca Luke Mark Martin "
    "Matt Max Michael Mike Mohamed Nathan Nick Noah Oliver Oscar Otto Patrick Paul Pedro Peter "
    "Philip Rafael Ravi Ray Richard Robert Roger Ryan Samuel Scott Sean Simon Stefan Steve Tim "
    "Tony Victor Walter Will Yusuf Ahmed Chen Hiro Raj Mateo Ethan Lucas Mason Dylan Josh Kyle "
    "Marco Ned"
).split()
_EITHER = "Alex Sam Robin Jamie Taylor Jordan Casey Riley Morgan Quinn Avery Rowan".split()
PEOPLE = tuple(
    Person(name, gender)
    for names, gender in ((_WOMEN, "f"), (_MEN, "m"), (_EITHER, "n"))
    for name in names
)

_FOOD = (
    "apple|banana|orange|pear|plum|peach|cherry|grape|lemon|lime|kiwi|mango|fig|date|apricot|"
    "strawberry|melon|coconut|carrot|potato|tomato|onion|cucumber|radish|turnip|pumpkin|olive|"
    "bean|nut|walnut|almond|peanut|egg|cookie|cake|cupcake|muffin|pancake|waffle|donut|bun|"
    "roll|bagel|pretzel|cracker|biscuit|brownie|pie|tart|sandwich|pizza|burger|taco|dumpling|"
    "sausage|candy|lollipop|chocolate|marshmallow|gumdrop|mint|jelly bean|candy bar|ice cream|"
    "chip|loaf|avocado|pepper|mushroom|pea pod|raisin|cheese stick"
).split("|")
_OBJECTS = (
    "marble|stamp|coin|book|shell|card|pen|stone|toy|pencil|crayon|marker|eraser|ruler|notebook|"
    "folder|envelope|postcard|letter|magazine|comic|newspaper|poster|sticker|badge|button|bead|"
    "ribbon|ring|bracelet|necklace|earring|key|lock|lamp|candle|match|bottle|cup|glass|mug|plate|"
    "spoon|fork|knife|pot|pan|napkin|towel|pillow|blanket|sock|shoe|hat|cap|scarf|glove|"
    "shirt|coat|dress|skirt|belt|tie|umbrella|balloon|ball|doll|puzzle|kite|robot|"
    "toy car|toy train|teddy bear|block|brick|nail|screw|hammer|brush|paintbrush|sponge|"
    "rope|string|ticket|photo|picture|painting|map|flag|flower|rose|tulip|daisy|leaf|feather|"
    "acorn|pine cone|seed|plant|pebble|rock|crystal|gem|diamond|fossil|magnet|battery|bulb|clock|"
    "watch|phone|camera|game|video game|board game|dice set|mask|whistle|drum|flute|bell|"
    "trophy|medal|token|tile|stick|log|straw|paper clip|pin|needle|thimble|charm|figurine|comb|"
    "hair clip|soap bar|candle holder|vase|frame|mirror|chair|stool|mat|tent|skateboard|puppet|"
    "yo-yo|keychain|bookmark|origami crane|paper plane|snow globe|baseball card|tennis ball"
).split("|")
THINGS = tuple(
    Noun(one, plural(one), is_food)
    for words, is_food in ((_FOOD, True), (_OBJECTS, False))
    for one in words
)

COLOURS = "red blue green yellow black white purple pink brown orange silver golden".split()
QUALITIES = "small big new round shiny plain striped spotted".split()
CONTAINERS = tuple(
    Noun(one, plural(one))
    for one in (
        "box|bag|basket|pack|packet|crate|jar|tray|case|carton|bucket|bowl|tin|sack|pile|bundle|"
        "parcel"
    ).split("|")
)
PACKINGS = tuple(
    Noun(one, plural(one))
    for one in "box|bag|basket|crate|jar|tray|case|carton|bucket|bowl|tin|sack".split("|")
)
"""Containers that things can be put into."""

PLACES = tuple(
    (where, place)
    for where, places in (
        ("in", "basket|box|drawer|cupboard|bag|jar|bowl|crate|bucket|chest|cabinet|suitcase"),
        ("on", "table|shelf|tray|desk|counter|bench|rack|windowsill|cart"),
    )
    for place in places.split("|")
)
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
KIN = (("brother", "m"), ("sister", "f"))


@dataclass(frozen=True)
class Scene:
    """Who is where, how they come and how they go."""

    who: Noun
    where: str
    comes: str
    goes: str


SCENES = tuple(
    Scene(Noun(one, plural(one)), where, comes, goes)
    for one, where, comes, goes in (
        ("passenger", "on the bus", "gets on", "gets off"),
        ("passenger", "on the train", "gets on", "gets off"),
        ("person", "in the lift", "gets in", "gets out"),
        ("person", "in the waiting room", "comes in", "leaves"),
        ("person", "in the queue", "joins", "leaves"),
        ("person", "at the party", "arrives", "goes home"),
        ("guest", "at the hotel", "arrives", "leaves"),
        ("guest", "at the wedding", "arrives", "leaves"),
        ("customer", "in the shop", "comes in", "leaves"),
        ("visitor", "in the museum", "comes in", "goes out"),
        ("student", "in the classroom", "comes in", "leaves"),
        ("student", "in the library", "arrives", "leaves"),
        ("child", "in the park", "comes", "goes home"),
        ("child", "on the playground", "joins in", "goes home"),
        ("swimmer", "in the pool", "jumps in", "gets out"),
        ("player", "on the field", "joins", "leaves"),
        ("dancer", "on the stage", "joins in", "leaves"),
        ("tourist", "on the boat", "gets on", "gets off"),
        ("worker", "in the hall", "comes in", "leaves"),
        ("bird", "in the tree", "arrives", "flies away"),
        ("bird", "on the fence", "lands there", "flies off"),
        ("pigeon", "on the roof", "lands there", "flies away"),
        ("crow", "in the field", "arrives", "flies away"),
        ("duck", "on the pond", "arrives", "swims away"),
        ("frog", "on the log", "hops on", "jumps off"),
        ("fish", "in the tank", "is added", "is taken out"),
        ("cow", "in the barn", "comes in", "goes out"),
        ("sheep", "in the meadow", "arrives", "runs away"),
        ("horse", "in the stable", "comes in", "is led out"),
        ("goat", "on the hill", "arrives", "wanders off"),
        ("rabbit", "in the garden", "hops in", "hops away"),
        ("monkey", "in the tree", "climbs up", "climbs down"),
        ("butterfly", "in the garden", "arrives", "flies off"),
        ("ant", "on the leaf", "climbs on", "walks away"),
        ("bee", "on the flower bed", "arrives", "flies off"),
        ("car", "in the car park", "drives in", "drives away"),
        ("car", "at the garage", "arrives", "leaves"),
        ("bus", "at the station", "arrives", "leaves"),
        ("boat", "in the harbour", "comes in", "sails away"),
        ("plane", "at the airport", "lands", "takes off"),
        ("truck", "in the yard", "arrives", "drives off"),
        ("skater", "on the ice", "joins", "leaves"),
        ("pupil", "in the classroom", "comes in", "leaves"),
        ("lamb", "in the meadow", "arrives", "runs away"),
        ("tram", "at the station", "arrives", "leaves"),
        ("snail", "on the wall", "arrives", "crawls away"),
        ("cook", "in the kitchen", "comes in", "goes home"),
        ("bike", "in the rack", "is added", "is taken away"),
    )
)

ACTIVITIES = tuple(
    (verb, Noun(one, plural(one)))
    for verb, one in (
        ("reads", "page"), ("reads", "chapter"), ("writes", "page"), ("writes", "letter"),
        ("scores", "point"), ("scores", "goal"), ("walks", "mile"), ("walks", "kilometer"),
        ("runs", "lap"), ("runs", "mile"), ("swims", "lap"), ("drives", "mile"),
        ("drives", "kilometer"), ("rides", "kilometer"), ("hikes", "mile"), ("bakes", "cookie"),
        ("bakes", "cake"), ("bakes", "pie"), ("picks", "apple"), ("picks", "berry"),
        ("picks", "flower"), ("plants", "tree"), ("plants", "seed"), ("plants", "tulip"),
        ("sells", "ticket"), ("sells", "lemonade"), ("sells", "newspaper"), ("sells", "cake"),
        ("solves", "puzzle"), ("solves", "problem"), ("washes", "car"), ("washes", "window"),
        ("paints", "picture"), ("paints", "fence post"), ("folds", "napkin"), ("folds", "shirt"),
        ("knits", "scarf"), ("sews", "dress"), ("waters", "plant"), ("catches", "fish"),
        ("collects", "shell"), ("collects", "can"), ("collects", "egg"), ("builds", "chair"),
        ("builds", "birdhouse"), ("repairs", "bike"), ("repairs", "clock"), ("delivers", "parcel"),
        ("delivers", "letter"), ("delivers", "pizza"), ("packs", "box"), ("learns", "word"),
        ("learns", "song"), ("types", "line"), ("takes", "photo"), ("draws", "picture"),
        ("climbs", "step"), ("does", "push-up"), ("does", "sit-up"), ("answers", "question"),
        ("answers", "email"), ("makes", "bracelet"), ("makes", "sandwich"), ("makes", "necklace"),
        ("peels", "potato"), ("mows", "lawn"), ("shines", "shoe"), ("carries", "brick"),
    )
    if one != "lemonade"
)  # fmt: skip
"""What people do, and what is counted of it."""

_ONSETS = "b bl br d dr f fl g gl gr h j k kl l m n p pl pr r s sk sl sn st t tr v w z zh".split()
_VOWELS = "a e i o u a e i o u ee oo".split()
_CODAS = "b d g k l lk lm lp lt m mp n nd nk nt p r rb rk rm rn rt t v x".split()
_THING_ENDS = "er et in le o y ock ink oon ish um".split()
_NAME_ENDS = "a o i an en ik in or us ar el is on".split()
_UNWANTED = (
    "dik kok kunt tit fag nig piss shit cum sex rap naz jap ass poo pis tard slut coon spik gook "
    "wank twat prik fuk fuc homo rect anal nud porn kil dum god jew hit mur hel"
).split()


def _syllable(upto: Upto) -> str:
    return _ONSETS[upto(len(_ONSETS))] + _VOWELS[upto(len(_VOWELS))]


def _made_up(upto: Upto, ends: list[str]) -> str:
    while True:
        word = _syllable(upto)
        kind = upto(3)
        if kind == 0:
            word += _syllable(upto)
        if kind < 2 or ends is _NAME_ENDS:
            word += _CODAS[upto(len(_CODAS))] + ends[upto(len(ends))]
        else:
            word += _CODAS[upto(len(_CODAS))]
        if not any(part in word for part in _UNWANTED):
            return word


def made_up_person(upto: Upto) -> Person:
    """Somebody whose name is built of syllables."""
    return Person(_made_up(upto, _NAME_ENDS).capitalize(), "fm"[upto(2)])


def made_up_thing(upto: Upto) -> Noun:
    """A thing whose name is built of syllables."""
    one = _made_up(upto, _THING_ENDS)
    return Noun(one, plural(one))
