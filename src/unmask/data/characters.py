"""Characters as tokens: text8's 27 letters, or any other small ASCII alphabet.

The id of a character is its place in the alphabet; MASK = V is shown as "_". For text8 the space
comes first, so ids follow the order of ASCII: space = 0, a = 1, ..., z = 26, MASK = 27.

Only ASCII, so that one byte of a file is one character: 10^8 of them are encoded by one table
look-up, and an offset in the file is an offset in the text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Integer, UInt8
from torch import Tensor

from unmask.errors import ConfigError, DataError, PromptError

_TEXT8_ALPHABET = " abcdefghijklmnopqrstuvwxyz"
_MASK_SIGN = "_"
_FOREIGN = 255  # no id of an ASCII alphabet, MASK included, is so large


@dataclass(frozen=True, kw_only=True)
class Characters:
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
                "Leave it out, or replace it in the text and in the alphabet."
            )
        if _MASK_SIGN in self.alphabet:
            raise ConfigError(
                f"{where}: '_' is how MASK is shown, so it cannot be a character as well. "
                "Replace it in the text and in the alphabet."
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

    @cached_property
    def _id_of_byte(self) -> bytes:
        table = bytearray([_FOREIGN] * 256)
        for token_id, character in enumerate(self.alphabet):
            table[ord(character)] = token_id
        return bytes(table)

    @cached_property
    def _byte_of_id(self) -> bytes:
        return (self.alphabet + _MASK_SIGN).encode().ljust(256, b"?")

    def encode_bytes(self, data: bytes, *, source: str = "text") -> UInt8[np.ndarray, " L"]:
        """The ids of a whole file's characters; `source` names it in errors."""
        # bytearray, because torch wants memory that may be written to.
        token_ids = np.frombuffer(bytearray(data).translate(self._id_of_byte), dtype=np.uint8)
        if token_ids.size and token_ids.max() == _FOREIGN:
            raise DataError(
                f"{source}: {self._foreign_characters(data)}. {self._advice_for_foreign()}"
            )
        return token_ids

    def encode(self, text: str, *, source: str = "text") -> Int[Tensor, " L"]:
        """The ids of the characters of `text`, int64; `source` names it in errors."""
        token_ids = self.encode_bytes(text.encode(errors="surrogatepass"), source=source)
        return torch.from_numpy(token_ids).long()

    def decode(self, token_ids: Integer[Tensor, " L"]) -> str:
        """The text of one sequence of ids, with "_" for MASK."""
        ids = token_ids.cpu().numpy()
        assert not ids.size or 0 <= ids.min() <= ids.max() <= self.vocab_size, (
            f"token ids must lie in 0..{self.vocab_size}, got {ids.min()}..{ids.max()}"
        )
        return ids.astype(np.uint8).tobytes().translate(self._byte_of_id).decode("ascii")

    def to_json(self) -> dict[str, str]:
        """What a checkpoint's config keeps of the codec."""
        return {"kind": "characters", "alphabet": self.alphabet}

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> "Characters":
        """The codec that `to_json` described."""
        if fields.get("kind") != "characters" or not isinstance(fields.get("alphabet"), str):
            raise ConfigError(
                "a character codec is stored as "
                f'{{"kind": "characters", "alphabet": "..."}}, got {dict(fields)!r}. '
                "Restore the config that was saved with the checkpoint."
            )
        return Characters(alphabet=fields["alphabet"])

    def _foreign_characters(self, data: bytes) -> str:
        """Which character of `data` is the first outside the alphabet, where, and how many."""
        codes = np.frombuffer(data, dtype=np.uint8)
        is_foreign = np.frombuffer(data.translate(self._id_of_byte), dtype=np.uint8) == _FOREIGN
        offset = int(is_foreign.argmax())
        character = data[offset : offset + 4].decode(errors="replace")[0]
        num_newlines = data.count(b"\n", 0, offset)
        line = f" (line {num_newlines + 1})" if b"\n" in data else ""
        # UTF-8 spends several bytes on a character; all but its first are 10xxxxxx.
        num_foreign = max(1, int((is_foreign & (codes & 0xC0 != 0x80)).sum()))
        more = f"; {num_foreign:,} such characters in all" if num_foreign > 1 else ""
        return (
            f"{character!r} at offset {offset}{line} is not in the alphabet "
            f"{self.alphabet!r}{more}"
        )

    def _advice_for_foreign(self) -> str:
        if set(_TEXT8_ALPHABET) <= set(self.alphabet):
            return (
                "Pass --normalise to apply text8's rules "
                "(lower-case letters, digits spelled out, a space for all else)."
            )
        return "Remove or replace what is not in the alphabet."


def text8() -> Characters:
    """The codec of text8: V = 27, space = 0, a = 1, ..., z = 26."""
    return Characters(alphabet=_TEXT8_ALPHABET)


def _encode_as_prompt(text: str, codec: Characters, source: str) -> Int[Tensor, " L"]:
    try:
        return codec.encode(text, source=source)
    except DataError:
        foreign = codec._foreign_characters(text.encode(errors="surrogatepass"))
        raise PromptError(
            f"{source}: {foreign}. Write it with these characters alone; text8 has no capitals, "
            "digits or punctuation."
        ) from None


def parse_template(template: str, codec: Characters, blank: str = _MASK_SIGN) -> Int[Tensor, " L"]:
    """The ids of a text with holes: MASK wherever `blank` stands."""
    if len(blank) != 1 or blank in codec.alphabet:
        raise PromptError(
            f"the blank of a template must be one character outside the alphabet "
            f"{codec.alphabet!r}, got {blank!r}: otherwise text and holes look alike. Use '_'."
        )
    if blank not in template:
        raise PromptError(
            f"template {template!r} has no blank, so there is nothing to generate. "
            f"Write {blank!r} for each character to be filled in, "
            "or use --prompt to continue a text."
        )
    is_blank = torch.tensor([character == blank for character in template])
    # Any character will do under a blank; one for one, so that offsets in errors stay right.
    token_ids = _encode_as_prompt(template.replace(blank, codec.alphabet[0]), codec, "template")
    return token_ids.masked_fill(is_blank, codec.vocab_size)


def encode_prompt(prompt: str, codec: Characters, length: int) -> Int[Tensor, " {length}"]:
    """The ids of `prompt`, then MASK up to `length`."""
    token_ids = _encode_as_prompt(prompt, codec, "prompt")
    if len(token_ids) >= length:
        trouble = (
            "leaves nothing to generate" if len(token_ids) == length else "does not fit into that"
        )
        raise PromptError(
            f"the prompt has {len(token_ids)} characters; a sequence has {length}, "
            f"so the prompt {trouble}. Shorten it, or ask for more with --length."
        )
    return torch.nn.functional.pad(token_ids, (0, length - len(token_ids)), value=codec.vocab_size)
