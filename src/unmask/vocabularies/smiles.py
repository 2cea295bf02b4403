"""Molecules as tokens: the atoms, bonds, branches and rings of SMILES.

    C1=CC(Br)=C[nH]1    ->    C 1 = C C ( Br ) = C [nH] 1

An atom in brackets is one token, whatever stands within; so are Cl and Br, and a ring number of
two digits, %12. What may stand outside brackets is always in the table; atoms in brackets are
those of the molecules that it was made from. A sequence begins with a token for its beginning
and ends with one for its end, which are given: so a model knows how many atoms there are to be.

Source: Weininger (1988), "SMILES, a chemical language and information system"; division into atoms
as in Schwaller et al. (2018), "Found in translation".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from unmask.errors import ConfigError, DataError
from unmask.vocabularies.vocabulary import Vocabulary

_PLAIN = (
    *("C", "c", "N", "n", "O", "o", "S", "s", "P", "p", "B", "b", "F", "Cl", "Br", "I", "*"),
    *("(", ")", "=", "#", "-", ":", "/", "\\", "."),
    *map(str, range(10)),
    *(f"%{number}" for number in range(10, 20)),
)
_TOKEN = re.compile(rb"\[[^\[\]\s]{1,40}\]|Br|Cl|%\d\d|[^\s]")
_MOST = 4096
_BRACKETS = re.compile(r"\[[^\[\]\s]{1,40}\]")


@dataclass(frozen=True, kw_only=True)
class Smiles(Vocabulary):
    """The table between the tokens of SMILES and ids: those of `_PLAIN`, atoms, two ends."""

    atoms: tuple[str, ...] = ()
    """Those in brackets, each once."""

    def __post_init__(self) -> None:
        if len(set(self.atoms)) < len(self.atoms) or len(self.atoms) > _MOST:
            raise ConfigError(
                f"Smiles.atoms are at most {_MOST:,} different ones, got {len(self.atoms):,}. "
                "Leave out molecules with rare atoms."
            )
        wrong = [atom for atom in self.atoms if not _BRACKETS.fullmatch(atom) or "_" in atom]
        if wrong:
            raise ConfigError(f"Smiles.atoms are written in brackets, as [nH]; got {wrong[0]!r}.")

    @cached_property
    def _tokens(self) -> tuple[str, ...]:
        return (*_PLAIN, *self.atoms)

    @cached_property
    def _id_of(self) -> dict[bytes, int]:
        return {token.encode(): token_id for token_id, token in enumerate(self._tokens)}

    @property
    def vocab_size(self) -> int:
        """Tokens, and two ends."""
        return len(self._tokens) + 2

    @property
    def blank(self) -> str:
        """How MASK is written."""
        return "_"

    @property
    def unit(self) -> str:
        """Symbols: atoms, bonds, brackets and numbers of rings."""
        return "symbols"

    @property
    def ends(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The last two ids."""
        return (self.vocab_size - 2,), (self.vocab_size - 1,)

    @property
    def silent_ids(self) -> tuple[int, ...]:
        """The ends."""
        return self.vocab_size - 2, self.vocab_size - 1

    def describe(self) -> str:
        """How many atoms it knows in brackets."""
        return f"{len(self._tokens)} symbols of SMILES"

    def encode_bytes(self, data: bytes, *, source: str = "text") -> np.ndarray:
        """The ids of one molecule, without ends."""
        try:
            ids = np.array(list(map(self._id_of.__getitem__, _TOKEN.findall(data))), self._type)
        except KeyError:
            foreign = self.first_foreign(data, self.is_foreign(data))
            raise DataError(f"{source}: {foreign}. {self.advice_for_prompts}") from None
        if len(data.split()) > 1:
            raise DataError(f"{source}: white space stands within {data[:60].decode()!r}.")
        return ids

    @cached_property
    def _type(self) -> type[np.unsignedinteger[Any]]:
        return self.id_type

    def decode_known(self, token_ids: list[int]) -> str:
        """The molecule, or part of one; ends are not written."""
        return "".join(self._tokens[n] for n in token_ids if n < len(self._tokens))

    def is_foreign(self, data: bytes) -> np.ndarray:
        """Which bytes are of no token that it knows."""
        wrong = np.zeros(len(data), dtype=bool)
        for found in _TOKEN.finditer(data):
            if found[0] not in self._id_of:
                wrong[found.start() : found.end()] = True
        return wrong

    def to_json(self) -> dict[str, Any]:
        """What a model's config.json keeps of it."""
        return {"kind": "smiles", "atoms": list(self.atoms)}

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> "Smiles":
        """The table that `to_json` described. Raises `ConfigError`."""
        atoms = fields.get("atoms")
        if not isinstance(atoms, list) or not all(isinstance(atom, str) for atom in atoms):
            raise ConfigError(
                f'SMILES are stored as {{"kind": "smiles", "atoms": ["[nH]"]}}, got '
                f"{dict(fields)!r:.60}. Restore the config that was saved with the checkpoint."
            )
        return Smiles(atoms=tuple(atoms))

    @property
    def advice_for_prompts(self) -> str:
        """What can be written."""
        atoms = ", ".join(self.atoms[:8]) or "none"
        return (
            "Write SMILES with the atoms C N O S P B F Cl Br I, c n o s p b, and in brackets "
            f"those it was made from: {atoms}{', ...' if len(self.atoms) > 8 else ''}."
        )


def learn_smiles(molecules: Iterable[str]) -> Smiles:
    """The table of some molecules: their atoms in brackets, those that are frequent first."""
    counts: dict[str, int] = {}
    for molecule in molecules:
        for atom in _BRACKETS.findall(molecule):
            counts[atom] = counts.get(atom, 0) + 1
    return Smiles(atoms=tuple(sorted(counts, key=lambda atom: (-counts[atom], atom))))
