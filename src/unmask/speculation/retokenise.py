"""A canvas of one tokenizer, written in the tokens of another, and verdicts on it read back.

A canvas is revealed tokens and masks. With T the text of a row of tokens (anything before it
imagined, so that spaces at its border stay), a boundary k of a run x is *clean* if

    T(x) = T(x[:k]) + T(x[k:])

and the tokens from one clean boundary to the next are a *group*: the bytes of an emoji, say. A
group is the least that has characters of its own, so characters are counted by groups.

    a mask                              one mask
    a run of groups                     the tokens y of its text, if T'(y) is that text again;
                                        else its halves, each for itself
    a group whose text is not whole,    as many masks as it has tokens: it is *hidden*, not lost
    or that y does not give back
    a special token                     an end stays an end, others are hidden

A token of y stands for the tokens of those groups whose characters overlap with its own.

String-level verification across vocabularies: Timor et al. (2025), arXiv:2502.05202. Masks are
not part of theirs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, runtime_checkable

NOT_WHOLE = "\ufffd"
"""What decoders put for bytes that are no character; text that really has it is hidden too."""


@runtime_checkable
class Spelling(Protocol):
    """How a model writes text."""

    @property
    def mask_id(self) -> int: ...

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Tokens that end a text."""
        ...

    @property
    def special_ids(self) -> frozenset[int]:
        """Tokens that stand for no text, ends among them."""
        ...

    def text(self, token_ids: Sequence[int]) -> str:
        """What ordinary tokens say behind other text."""
        ...

    def token_ids(self, text: str) -> list[int]:
        """A text behind other text, as tokens."""
        ...


@dataclass(frozen=True)
class Group:
    """Tokens that have characters of their own."""

    tokens: range
    characters: range


@dataclass(frozen=True)
class Transcript:
    """A canvas in other tokens."""

    token_ids: list[int]
    sources: list[range]
    """Of each token, the ones of the original that it stands for."""

    def rejected(self, wrong: Iterable[int]) -> set[int]:
        """The tokens of the original that some of the transcript's stand for."""
        return {token for place in wrong for token in self.sources[place]}


def transcribe(token_ids: Sequence[int], source: Spelling, target: Spelling) -> Transcript:
    """A canvas of the source, in the tokens of the target."""

    def kind(place: int) -> int:
        token = token_ids[place]
        is_text = token != source.mask_id and token not in source.special_ids
        return -1 if is_text else place  # what is no text stands alone

    found: list[tuple[int, range]] = []
    for place, run in groupby(range(len(token_ids)), kind):
        places = list(run)
        if place >= 0:
            is_end = token_ids[place] in source.end_ids
            found.append(
                (target.end_ids[0] if is_end else target.mask_id, range(place, place + 1))
            )
        else:
            found += _of_run(token_ids, range(places[0], places[-1] + 1), source, target)
    return Transcript([token for token, _ in found], [tokens for _, tokens in found])


def groups_of(token_ids: Sequence[int], spelling: Spelling) -> list[Group]:
    """The groups of ordinary tokens that follow each other."""
    text = spelling.text(token_ids)
    bounds = [(0, 0)]
    for k in range(1, len(token_ids)):
        left = spelling.text(token_ids[:k])
        # Bytes that say nothing yet would leave a group without characters.
        if len(left) > bounds[-1][1] and left + spelling.text(token_ids[k:]) == text:
            bounds.append((k, len(left)))
    bounds.append((len(token_ids), len(text)))
    return [
        Group(range(k, next_k), range(place, next_place))
        for (k, place), (next_k, next_place) in zip(bounds, bounds[1:], strict=False)
    ]


def _of_run(
    token_ids: Sequence[int], run: range, source: Spelling, target: Spelling
) -> list[tuple[int, range]]:
    """The transcript of tokens that are text: pairs of a token and what it stands for."""
    run_ids = [token_ids[place] for place in run]
    text = source.text(run_ids)

    def is_whole(group: Group) -> bool:
        return NOT_WHOLE not in text[group.characters.start : group.characters.stop]

    found: list[tuple[int, range]] = []
    for whole, groups in groupby(groups_of(run_ids, source), is_whole):
        part = list(groups)
        found += _written(part, text, target) if whole else _hidden(part, target)
    return [
        (token, range(run.start + tokens.start, run.start + tokens.stop))
        for token, tokens in found
    ]


def _written(groups: list[Group], text: str, target: Spelling) -> list[tuple[int, range]]:
    """Groups in the target's tokens; what these do not give back is hidden."""
    first, stop = groups[0].characters.start, groups[-1].characters.stop
    wanted = text[first:stop]
    token_ids = target.token_ids(wanted)
    if target.text(token_ids) != wanted or target.special_ids.intersection(token_ids):
        half = len(groups) // 2
        if not half:
            return _hidden(groups, target)
        return _written(groups[:half], text, target) + _written(groups[half:], text, target)
    found = []
    for theirs in groups_of(token_ids, target):
        characters = range(first + theirs.characters.start, first + theirs.characters.stop)
        ours = [group for group in groups if _overlap(group.characters, characters)]
        tokens = range(ours[0].tokens.start, ours[-1].tokens.stop) if ours else range(0)
        found += [(token_ids[place], tokens) for place in theirs.tokens]
    return found


def _hidden(groups: Iterable[Group], target: Spelling) -> list[tuple[int, range]]:
    """A mask for every token."""
    return [
        (target.mask_id, range(token, token + 1)) for group in groups for token in group.tokens
    ]


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop
