"""Amino acids as tokens, with the ids that ESM-2 and DPLM were trained with.

    <cls> <pad> <eos> <unk> L A G V S E R T I D P K Q N F Y M H W C X B U Z O . - <null_1> <mask>
      0     1     2     3   4 ...                                23 24 ... 28         31      32

A sequence is <cls> residues <eos>, and MASK is 32 = V. Only the twenty amino acids of the genetic
code are ever generated and scored; X (any), B (D or N), Z (E or Q), U (selenocysteine) and O
(pyrrolysine) are read, and stay where they stand. In a template lower case stands for what is to
be designed anew, as "_" does.

Source: Lin et al. (2023), "Evolutionary-scale prediction of atomic-level protein structure with a
language model", and the vocabulary published with it.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from unmask.errors import DataError
from unmask.vocabularies.vocabulary import Vocabulary

AMINO_ACIDS = "LAGVSERTIDPKQNFYMHWC"
"""The twenty of the genetic code, in the order of their ids."""
UNUSUAL = "XBUZO"
_FIRST = 4  # the id of L
_CLS, _PAD, _EOS, _UNK = range(_FIRST)
_SIZE = 32
_FOREIGN = 255


def _table() -> bytes:
    table = bytearray([_FOREIGN] * 256)
    for token_id, letter in enumerate(AMINO_ACIDS + UNUSUAL, start=_FIRST):
        table[ord(letter)] = table[ord(letter.lower())] = token_id
    return bytes(table)


_ID_OF_BYTE = _table()
_LETTER_OF_ID = {
    token_id: letter for token_id, letter in enumerate(AMINO_ACIDS + UNUSUAL + ".-", start=_FIRST)
} | {_PAD: "<pad>", _UNK: "<unk>", _SIZE - 1: "<null_1>"}


@dataclass(frozen=True)
class Residues(Vocabulary):
    """The alphabet of ESM: V = 32."""

    @property
    def vocab_size(self) -> int:
        """32."""
        return _SIZE

    @property
    def blank(self) -> str:
        """How MASK is written."""
        return "_"

    @property
    def unit(self) -> str:
        """Residues."""
        return "residues"

    @property
    def ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """<cls> and <eos>."""
        return (_CLS,), (_EOS,)

    @property
    def silent_ids(self) -> tuple[int, ...]:
        """All but the twenty amino acids."""
        return (*range(_FIRST), *range(_FIRST + len(AMINO_ACIDS), _SIZE))

    def describe(self) -> str:
        """What it writes."""
        return "20 amino acids"

    def encode_bytes(self, data: bytes, *, source: str = "text") -> np.ndarray:
        """The ids of letters in either case, without ends."""
        token_ids = np.frombuffer(bytearray(data).translate(_ID_OF_BYTE), dtype=np.uint8)
        if token_ids.size and token_ids.max() == _FOREIGN:
            foreign = self.first_foreign(data, self.is_foreign(data))
            raise DataError(f"{source}: {foreign}. {self.advice_for_prompts}")
        return token_ids

    def decode_known(self, token_ids: list[int]) -> str:
        """The letters with these ids; ends have none."""
        return "".join(_LETTER_OF_ID.get(n, "") for n in token_ids)

    def is_foreign(self, data: bytes) -> np.ndarray:
        """Which bytes are no letter of an amino acid."""
        ids = np.frombuffer(data.translate(_ID_OF_BYTE), dtype=np.uint8)
        return np.equal(ids, _FOREIGN)

    def encode_template(self, template: str) -> Int[Tensor, " L"]:
        """The ids of a sequence in which lower case and "_" are to be designed anew."""
        return super().encode_template(re.sub("[a-z]", self.blank, template))

    def to_json(self) -> dict[str, Any]:
        """What a model's config.json keeps of it."""
        return {"kind": "residues"}

    @property
    def advice_for_prompts(self) -> str:
        """What can be written."""
        return f"Write one letter for each: {AMINO_ACIDS}, or {', '.join(UNUSUAL)}."
