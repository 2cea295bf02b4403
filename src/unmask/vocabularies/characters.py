"""Characters as tokens: text8's 27 letters, or any other small ASCII alphabet.

The id of a character is its place in the alphabet; MASK = V is shown as "_". For text8 the space
comes first, so ids follow the order of ASCII: space = 0, a = 1, ..., z = 26, MASK = 27.

Only ASCII, so that one byte of a file is one character: 10^8 of them are encoded by one table
look-up, and an offset in the file is an offset in the text. For any other script there are bytes
(raw_bytes.py) and pairs of bytes (byte_pairs.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from unmask.errors import ConfigError, DataError
from unmask.vocabularies.vocabulary import Vocabulary

_TEXT8_ALPHABET = " abcdefghijklmnopqrstuvwxyz"
_MASK_SIGN = "_"
_FOREIGN = 255  # no id of an ASCII alphabet, MASK included, is so large


@dataclass(frozen=True, kw_only=True)
class Characters(Vocabulary):
    """The two-way table between the characters of an alphabet and token ids."""

    alphabet: str
    """Each character once; its place is its id. ASCII, and without "_", which stands for MASK."""

    def __post_init__(self) -> None:
        where = f"Characters.alphabet is {self.alphabet!r}"
        if len(self.alphabet) < 2:
            raise ConfigError(
                f"{where}: with fewer than two characters there is nothing to choose. "
                "For text8's alphabet use `text8()`."
            )
        if not self.alphabet.isascii():
            foreign = next(c for c in self.alphabet if not c.isascii())
            raise ConfigError(
                f"{where}: {foreign!r} is not ASCII, and here one byte is one character. "
                "Take bytes instead (--vocabulary bytes), which write any text."
            )
        if _MASK_SIGN in self.alphabet:
            raise ConfigError(
                f"{where}: '_' is how MASK is shown, so it cannot be a character as well. "
                "Replace it in the text and in the alphabet, or take bytes."
            )
        repeated = [c for c in self.alphabet if self.alphabet.count(c) > 1]
        if repeated:
            raise ConfigError(
                f"{where}: {repeated[0]!r} occurs more than once and would have two ids. "
                "List each character once."
            )

    @property
    def vocab_size(self) -> int:
        """V, MASK not counted; MASK has the id V."""
        return len(self.alphabet)

    @property
    def blank(self) -> str:
        """How MASK is written."""
        return _MASK_SIGN

    @property
    def unit(self) -> str:
        """Characters."""
        return "characters"

    def describe(self) -> str:
        """The alphabet itself."""
        return f"characters {self.alphabet!r}"

    @cached_property
    def _id_of_byte(self) -> bytes:
        table = bytearray([_FOREIGN] * 256)
        for token_id, character in enumerate(self.alphabet):
            table[ord(character)] = token_id
        return bytes(table)

    @cached_property
    def _byte_of_id(self) -> bytes:
        return self.alphabet.encode().ljust(256, b"?")

    def encode_bytes(self, data: bytes, *, source: str = "text") -> np.ndarray:
        """The ids of a whole file's characters; `source` names it in errors."""
        # bytearray, because torch wants memory that may be written to.
        token_ids = np.frombuffer(bytearray(data).translate(self._id_of_byte), dtype=np.uint8)
        if token_ids.size and token_ids.max() == _FOREIGN:
            foreign = self.first_foreign(data, self.is_foreign(data))
            raise DataError(f"{source}: {foreign}. {self._advice_for_data}")
        return token_ids

    def decode_known(self, token_ids: list[int]) -> str:
        """The characters with these ids."""
        return bytes(token_ids).translate(self._byte_of_id).decode("ascii")

    def is_foreign(self, data: bytes) -> np.ndarray:
        """Which bytes are of characters outside the alphabet."""
        ids = np.frombuffer(data.translate(self._id_of_byte), dtype=np.uint8)
        return np.equal(ids, _FOREIGN)

    def to_json(self) -> dict[str, Any]:
        """What a model's config.json keeps of it."""
        return {"kind": "characters", "alphabet": self.alphabet}

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> "Characters":
        """The alphabet that `to_json` described."""
        if fields.get("kind") != "characters" or not isinstance(fields.get("alphabet"), str):
            raise ConfigError(
                "an alphabet is stored as "
                f'{{"kind": "characters", "alphabet": "..."}}, got {dict(fields)!r:.60}. '
                "Restore the config that was saved with the checkpoint."
            )
        return Characters(alphabet=fields["alphabet"])

    @property
    def _has_text8(self) -> bool:
        return set(_TEXT8_ALPHABET) <= set(self.alphabet)

    @property
    def _advice_for_data(self) -> str:
        if self._has_text8:
            return (
                "Pass --normalise to apply text8's rules "
                "(lower-case letters, digits spelled out, a space for all else); or train a model "
                "of it as it is, with --vocabulary bytes."
            )
        return "Remove or replace what is not in the alphabet."

    @property
    def advice_for_prompts(self) -> str:
        """Text8's alphabet is not what people expect."""
        no = "; text8 has no capitals, digits or punctuation" if self._has_text8 else ""
        return f"Write it with these characters alone{no}."


def text8() -> Characters:
    """The alphabet of text8: V = 27, space = 0, a = 1, ..., z = 26."""
    return Characters(alphabet=_TEXT8_ALPHABET)
