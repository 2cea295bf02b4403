"""Vocabularies by name, and in model folders: the only place that asks which kind one is."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from unmask.errors import CheckpointError, ConfigError
from unmask.vocabularies.bpe_files import TOKENIZER_FILE
from unmask.vocabularies.byte_pairs import learn_byte_pairs, read_byte_pairs
from unmask.vocabularies.characters import Characters, text8
from unmask.vocabularies.raw_bytes import Bytes
from unmask.vocabularies.residues import Residues
from unmask.vocabularies.smiles import Smiles, learn_smiles
from unmask.vocabularies.vocabulary import Vocabulary

NAMES = (
    "text8, bytes, characters (those of the text), characters:ABC..., learn:4096, residues, "
    "smiles, or a folder with tokenizer.json"
)


def named_vocabulary(name: str, texts: Callable[[], Iterable[str]]) -> Vocabulary:
    """A vocabulary by name: one of `NAMES`. `texts` are what one is learnt from.

    Raises:
        ConfigError: there is none such, or it cannot be of that size.
        CheckpointError: the folder's files are damaged, or it has none.
        MissingExtraError: it needs the `tokenizers` library, which is not installed.
    """
    kind, _, rest = name.partition(":")
    if name in _FIXED:
        return _FIXED[name]()
    if kind == "characters":
        known = rest or "".join(sorted({sign for text in texts() for sign in text}))
        return Characters(alphabet=known)
    if name == "smiles":
        return learn_smiles(texts())
    if kind == "learn":
        if not rest.isascii() or not rest.isdigit() or len(rest) > 9:
            raise ConfigError(
                f"--vocabulary {name!r:.40}: learn is followed by a size, as in learn:4096."
            )
        return learn_byte_pairs(texts(), int(rest))
    path = Path(os.path.expanduser(name))
    if not os.path.exists(path):
        raise ConfigError(
            f"there is no vocabulary {name!r:.60}: it is none of the kinds there are, and no "
            f"folder. Name {NAMES}."
        )
    return read_byte_pairs(path)


_FIXED: dict[str, Callable[[], Vocabulary]] = {
    "text8": text8, "bytes": Bytes, "residues": Residues
}  # fmt: skip


def vocabulary_in(folder: Path, fields: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary of a model folder, of which config.json says `fields`.

    Raises:
        CheckpointError: it is none, or its file is another one's.
        MissingExtraError: it needs the `tokenizers` library, which is not installed.
    """
    kind = fields.get("kind")
    if kind in ("bytes", "residues"):
        return _FIXED[kind]()
    if kind == "byte-pairs":
        found = read_byte_pairs(folder / TOKENIZER_FILE)
        if found.to_json() != dict(fields):
            raise CheckpointError(
                f"{folder / TOKENIZER_FILE} is not the vocabulary that config.json was written "
                "with. Restore the file that was saved with the weights."
            )
        return found
    try:
        if kind == "smiles":
            return Smiles.from_json(fields)
        return Characters.from_json(fields)
    except ConfigError as error:
        raise CheckpointError(f"{folder}: {error}") from error
