"""Bytes as tokens: any text at all, in UTF-8; V = 256."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from unmask.vocabularies.vocabulary import Vocabulary


@dataclass(frozen=True)
class Bytes(Vocabulary):
    """The id of a byte is its value. Of what is no UTF-8, "\ufffd" is shown."""

    @property
    def vocab_size(self) -> int:
        """256."""
        return 256

    @property
    def unit(self) -> str:
        """Bytes."""
        return "bytes"

    def encode_bytes(self, data: bytes, *, source: str = "text") -> np.ndarray:
        """The bytes."""
        return np.frombuffer(bytearray(data), dtype=np.uint8)

    def decode_known(self, token_ids: list[int]) -> str:
        """The text that they are in UTF-8."""
        return bytes(token_ids).decode(errors="replace")

    def to_json(self) -> dict[str, Any]:
        """What a model's config.json keeps of it."""
        return {"kind": "bytes"}
