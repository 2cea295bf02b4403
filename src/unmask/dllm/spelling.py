"""How a tokenizer.json writes text that has other text before it.

Decoders drop the space that a text begins with, and encoders put one there. Behind other text
neither must happen, so an anchor is put first and taken away again:

    T(x) = decode(a x) without decode(a),        x = encode(text of a, text) without a
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_ANCHOR = "\n"
"""Words are not merged with it, so that what follows is spelt as behind any other text."""


@dataclass(frozen=True)
class TokenizerSpelling:
    """A `Spelling` (speculation/retokenise.py)."""

    tokenizer: "Tokenizer"
    mask_id: int
    """Of the canvas, V."""
    end_ids: tuple[int, ...]

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Every added token that is marked as special, and what ends a text."""
        added = self.tokenizer.get_added_tokens_decoder()
        return frozenset(n for n, token in added.items() if token.special) | {*self.end_ids}

    def text(self, token_ids: Sequence[int]) -> str:
        """What ordinary tokens say behind other text."""
        said: str = self.tokenizer.decode(
            [*self._anchor_ids, *token_ids], skip_special_tokens=False
        )
        return said.removeprefix(self._anchor_text)

    def token_ids(self, text: str) -> list[int]:
        """A text behind other text, as tokens; those that do not say it back if there are none.

        Where the anchor is merged with the text, the text is encoded for itself.
        """
        anchor = self._anchor_ids
        ids: list[int] = self.tokenizer.encode(_ANCHOR + text, add_special_tokens=False).ids
        if ids[: len(anchor)] == anchor and self.text(ids[len(anchor) :]) == text:
            return ids[len(anchor) :]
        alone: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return alone

    @cached_property
    def _anchor_ids(self) -> list[int]:
        ids: list[int] = self.tokenizer.encode(_ANCHOR, add_special_tokens=False).ids
        return ids

    @cached_property
    def _anchor_text(self) -> str:
        text: str = self.tokenizer.decode(self._anchor_ids, skip_special_tokens=False)
        return text
