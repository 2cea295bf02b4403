"""Canvases in other tokens: nothing is lost, nothing is said that was not there."""

from itertools import cycle, groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spellings import Letters, byte_level, composing, with_fallback
from unmask.speculation.retokenise import groups_of, transcribe

MAKERS = {"bytes": byte_level, "composing": composing, "fallback": with_fallback}
FRAGMENTS = [
    "a", " ", "  ", " apples", "and", "12", "\n", "\u00e9", "e\u0301", "\u65e5\u672c", "\u20ac",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\u200d", "\u0301",
    "\U0001f1eb\U0001f1f7", "\u0915\u094d\u0937",
]  # fmt: skip


SINGLE = Letters(("", "a", "b", "c", "d"))
PAIRS = Letters(("", "a", "b", "c", "ab", "bc", "cab"))
MASK, OTHER_MASK = 5, 7


def transcribed(text: str, source: Letters = SINGLE, target: Letters = PAIRS):
    """Of letters, with _ for a mask and . for an end; as pairs of a piece and its sources."""
    signs = {"_": source.mask_id, ".": 0}
    ids = [signs.get(sign, source.pieces.index(sign) if sign not in signs else 0) for sign in text]
    made = transcribe(ids, source, target)
    names = {target.mask_id: "_", 0: "."}
    return [
        (names.get(token, target.pieces[token] if token < target.mask_id else ""), list(sources))
        for token, sources in zip(made.token_ids, made.sources, strict=True)
    ]


def test_tokens_stand_for_those_whose_characters_they_share() -> None:
    assert transcribed("abc_cab.") == [
        ("ab", [0, 1]), ("c", [2]), ("_", [3]), ("cab", [4, 5, 6]), (".", [7]),
    ]  # fmt: skip
    pairs = [PAIRS.pieces.index(piece) for piece in ("ab", "cab", "c")]
    back = transcribe(pairs, PAIRS, SINGLE)
    assert [SINGLE.pieces[token] for token in back.token_ids] == list("abcabc")
    assert [list(sources) for sources in back.sources] == [[0], [0], [1], [1], [1], [2]]
    crossing = transcribe(
        [PAIRS.pieces.index(p) for p in ("ab", "c")], PAIRS, Letters(("", "a", "bc"))
    )
    assert [list(sources) for sources in crossing.sources] == [[0], [0, 1]]
    assert crossing.rejected([1]) == {0, 1} and crossing.rejected([0]) == {0}
    assert crossing.rejected([]) == set()


def test_what_the_other_cannot_write_is_hidden_and_the_rest_is_not() -> None:
    """PAIRS has no d."""
    assert transcribed("abdab") == [
        ("ab", [0, 1]), ("_", [2]), ("ab", [3, 4]),
    ]  # fmt: skip
    assert transcribed("d_d") == [("_", [0]), ("_", [1]), ("_", [2])]


def test_ends_stay_ends_and_other_special_tokens_are_hidden() -> None:
    source, target = byte_level(), with_fallback()
    text = source.token_ids("and")
    made = transcribe([*text, source.end_ids[0], 5, source.mask_id], source, target)
    assert made.token_ids[-3:] == [target.end_ids[0], target.mask_id, target.mask_id]
    assert target.text(made.token_ids[:-3]) == "and"


def test_the_name_of_a_special_token_is_no_special_token() -> None:
    source, target = byte_level(), with_fallback()
    spelt = [n for letter in "a</s>" for n in source.token_ids(letter)]
    assert target.special_ids.intersection(target.token_ids("a</s>"))
    made = transcribe(spelt, source, target)
    assert not target.special_ids.intersection(made.token_ids)
    assert target.mask_id not in made.token_ids  # in two halves it is only text
    assert target.text(made.token_ids) == "a</s>"


def test_half_a_character_is_hidden_until_the_rest_is_there() -> None:
    source, target = byte_level(), with_fallback()
    euro = source.token_ids("\U0001f469")
    assert len(euro) == 4
    a = source.token_ids("a")
    whole = transcribe([*a, *euro, *a], source, target)
    assert target.text(whole.token_ids) == "a\U0001f469a"
    # Its bytes are tokens of the other too, but each stands for all of the character.
    assert [list(s) for s in whole.sources] == [[0], *[[1, 2, 3, 4]] * 4, [5]]
    for place in range(4):
        cut = [*a, *euro[:place], source.mask_id, *euro[place + 1 :], *a]
        made = transcribe(cut, source, target)
        assert made.token_ids[1:5] == [target.mask_id] * 4
        assert [list(s) for s in made.sources[1:5]] == [[1], [2], [3], [4]]
        assert target.text([made.token_ids[0], made.token_ids[5]]) == "aa"


def test_groups_are_whole_characters() -> None:
    spelling = byte_level()
    text = "a\U0001f469\u65e5"
    token_ids = [*spelling.token_ids("a"), *spelling.token_ids("\U0001f469"),
                 *spelling.token_ids("\u65e5")]  # fmt: skip
    groups = groups_of(token_ids, spelling)
    assert [text[g.characters.start : g.characters.stop] for g in groups] == list(text)
    assert groups[-1].tokens.stop == len(token_ids)
    assert groups_of([], spelling)[0].tokens == range(0)


def said_by(token_ids, sources, spelling) -> list[str]:
    """The text of each run of tokens that are text, hidden ones and masks between them."""

    def is_text(pair) -> bool:
        return pair[0] != spelling.mask_id and pair[0] not in spelling.special_ids

    pairs = list(zip(token_ids, sources, strict=True))
    return [
        spelling.text([token for token, _ in run]) for real, run in groupby(pairs, is_text) if real
    ]


def torn(text: str, fates: list[str], spelling) -> list[int]:
    """A canvas: tokens kept, masked, torn out of their characters, or followed by an end."""
    made: list[int] = []
    for token, fate in zip(spelling.token_ids(text), cycle(fates), strict=False):
        made += {
            "keep": [token], "mask": [spelling.mask_id], "drop": [],
            "end": [token, spelling.end_ids[0]],
        }[fate]  # fmt: skip
    return made


FATES = st.lists(st.sampled_from(["keep"] * 6 + ["mask", "drop", "end"]), min_size=1, max_size=30)


@pytest.mark.parametrize(("name", "other"), [(a, b) for a in MAKERS for b in MAKERS])
def test_the_text_is_the_same_in_other_tokens(name: str, other: str) -> None:
    source, target = MAKERS[name](), MAKERS[other]()

    @settings(max_examples=20, deadline=None)
    @given(
        pieces=st.lists(st.sampled_from(FRAGMENTS), max_size=7),
        fates=FATES,
        verdict=st.sets(st.integers(0, 60)),
    )
    def check(pieces, fates, verdict) -> None:
        canvas = torn("".join(pieces), fates, source)
        made = transcribe(canvas, source, target)
        assert len(made.token_ids) == len(made.sources)
        stood_for = {n for sources in made.sources for n in sources}
        assert stood_for == set(range(len(canvas)))  # nothing is lost
        for token, sources in zip(made.token_ids, made.sources, strict=True):
            ours = [canvas[n] for n in sources]
            if source.mask_id in ours:
                assert ours == [source.mask_id] and token == target.mask_id
            elif token == target.mask_id:
                assert len(ours) == 1  # hidden: one mask for one token
            elif token not in target.special_ids:
                said = target.text([token])
                assert "\ufffd" in said or said in source.text(ours)
        # What is seen of a run is what was there, less what is hidden.
        is_hidden = {
            n
            for token, sources in zip(made.token_ids, made.sources, strict=True)
            for n in sources
            if token == target.mask_id
        }
        seen = [source.mask_id if n in is_hidden else token for n, token in enumerate(canvas)]
        assert said_by(made.token_ids, made.sources, target) == said_by(
            seen, [range(n, n + 1) for n in range(len(seen))], source
        )
        # What is not rejected says the same afterwards, whatever the verdict.
        wrong = [n for n in verdict if n < len(made.token_ids)]
        rejected = made.rejected(wrong)
        after = [source.mask_id if n in rejected else token for n, token in enumerate(canvas)]
        again = transcribe(after, source, target)
        still = {
            n
            for token, sources in zip(again.token_ids, again.sources, strict=True)
            for n in sources
            if token != target.mask_id
        }
        assert set(range(len(canvas))) - is_hidden - rejected <= still

    check()


def test_only_what_cannot_be_said_is_hidden() -> None:
    """Between tokenizers that can say everything, that is bytes that are no character."""
    source, target = byte_level(), with_fallback()
    text = "".join(FRAGMENTS)
    made = transcribe(source.token_ids(text), source, target)
    assert target.mask_id not in made.token_ids and target.text(made.token_ids) == text
    to_composing = transcribe(source.token_ids("ae\u0301b\u00e9"), source, composing())
    seen = [t for t in to_composing.token_ids if t != composing().mask_id]
    assert composing().text(seen) in ("ab\u00e9", "ae\u0301b\u00e9")
