"""Byte-level BPE: pieces of text as tokens, merged from bytes, so that any text can be written.

A vocabulary is read from a folder of the Hugging Face kind (tokenizer.json, or vocab.json with
merges.txt; GPT-2's own names encoder.json and vocab.bpe will do), or learnt from a text by the
`tokenizers` library. MASK is none of its entries: it has the id behind the last of them.

Source: Sennrich et al. (2016), arXiv:1508.07909; over bytes, Radford et al. (2019).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unmask.errors import CheckpointError, ConfigError, DataError
from unmask.files.reading import read_text
from unmask.files.tensors import read_json
from unmask.vocabularies.bpe_files import (
    GPT2_MERGES_FILE,
    GPT2_VOCAB_FILE,
    MERGES_FILE,
    TOKENIZER_FILE,
    VOCAB_FILE,
    read_bpe,
    tokenizer_from,
    tokenizers_library,
)
from unmask.vocabularies.vocabulary import Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SEPARATOR = "<|endoftext|>"
"""The token that stands behind a document, where a vocabulary has it."""
_SETTINGS_FILE = "tokenizer_config.json"
_CHUNK = 2**20
"""Bytes that are encoded at a time: what comes of them takes a hundred times as much memory."""
_SEAM = re.compile(r"(?<=\S\n)(?=\S)")
"""Where a text can be cut without changing its tokens: no piece begins before the end of a line
and goes on behind it, unless there is more white space."""
_SEAM_IN_BYTES = re.compile(rb"(?<=[!-~\x81-\x84\x86-\x9f\xb0-\xbf]\n)(?=[!-~\xc3-\xe0\xe4-\xf4])")
"""The same in UTF-8, of whose characters some are left out with the white space among them."""
_PROBE = "The \u00e9t\u00e9 of\n\n 1999, 数"


@dataclass(frozen=True)
class BytePairs(Vocabulary):
    """A tokenizer of the `tokenizers` library, as it is in the file."""

    file: str
    """The content of tokenizer.json."""
    tokenizer: "Tokenizer" = field(repr=False, compare=False)

    @cached_property
    def vocab_size(self) -> int:
        """V: one more than the largest id; MASK has the id V."""
        return 1 + max(self.tokenizer.get_vocab().values())

    @property
    def unit(self) -> str:
        """Tokens."""
        return "tokens"

    @property
    def separator_id(self) -> int | None:
        """That of <|endoftext|>, if there is one."""
        found: int | None = self.tokenizer.token_to_id(SEPARATOR)
        return found

    def encode_bytes(self, data: bytes, *, source: str = "text") -> np.ndarray:
        """The ids of a text. Cut where that changes nothing, so that a long one is read in parts.

        Raises `DataError` if it is no UTF-8.
        """
        try:
            parts = [self._ids(chunk.decode()) for chunk in _chunks(data)]
        except UnicodeDecodeError as error:
            raise DataError(
                f"{source} is no text in UTF-8 ({error.reason} after "
                f"{error.object[: error.start][-20:]!r}). Convert it, as by `iconv -t UTF-8`."
            ) from error
        return np.concatenate([np.empty(0, self.id_type), *parts])

    def _ids(self, text: str) -> np.ndarray:
        texts = _SEAM.split(text)
        found = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return np.array([n for each in found for n in each.ids], dtype=self.id_type)

    def decode_known(self, token_ids: list[int]) -> str:
        """Their text; what is no whole character is shown as "\ufffd"."""
        text: str = self.tokenizer.decode(token_ids, skip_special_tokens=False)
        return text

    def to_json(self) -> dict[str, Any]:
        """Its file is beside config.json."""
        digest = hashlib.sha256(self.file.encode()).hexdigest()
        return {"kind": "byte-pairs", "vocab_size": self.vocab_size, "sha256": digest}

    def files(self) -> dict[str, str]:
        """tokenizer.json."""
        return {TOKENIZER_FILE: self.file}


def _chunks(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        found = _SEAM_IN_BYTES.search(data, start + _CHUNK)
        end = found.start() if found else len(data)
        yield data[start:end]
        start = end


def read_byte_pairs(path: Path) -> BytePairs:
    """The vocabulary of a folder, or of a tokenizer.json.

    Raises:
        CheckpointError: there is none, it is damaged, or it cannot write every text.
        MissingExtraError: tokenizers is not installed.
    """
    tokenizers_library()
    file = path / TOKENIZER_FILE if path.is_dir() else path
    if file.is_file():
        content = read_text(file)  # kept as it is: libraries may write the same in other words
        found = tokenizer_from(content, file)
        return _of(found, content, str(path))
    found = _read_pairs(path)
    return _of(found, _written(found), str(path))


def _read_pairs(folder: Path) -> "Tokenizer":
    for vocabulary, merges, usual in (
        (VOCAB_FILE, MERGES_FILE, {}),
        (GPT2_VOCAB_FILE, GPT2_MERGES_FILE, {"tokenizer_class": "GPT2Tokenizer"}),
    ):
        if (folder / vocabulary).is_file():
            settings = usual
            if (folder / _SETTINGS_FILE).is_file():
                settings = read_json(folder / _SETTINGS_FILE)
            return read_bpe(folder, settings, vocabulary, merges)
    raise CheckpointError(
        f"{folder} holds no vocabulary: neither {TOKENIZER_FILE}, nor {VOCAB_FILE} with "
        f"{MERGES_FILE}, nor {GPT2_VOCAB_FILE} with {GPT2_MERGES_FILE}. Name the folder of "
        "one, or learn one from the text: --vocabulary learn:4096."
    )


def learn_byte_pairs(texts: Iterable[str], size: int) -> BytePairs:
    """The vocabulary of `size` entries that shortens texts most; the same for the same texts.

    The 256 bytes and a separator of documents are among them.

    Raises:
        ConfigError: the size has no room for the bytes.
        MissingExtraError: tokenizers is not installed.
    """
    tokenizers = tokenizers_library()
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    if not len(alphabet) < size <= 2**20:
        raise ConfigError(
            f"a vocabulary of bytes and pieces has {len(alphabet) + 1} to {2**20:,} entries, got "
            f"{size}. Ask for learn:4096, say."
        )
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[SEPARATOR],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    found = _of(tokenizer, _written(tokenizer), "the vocabulary that was learnt")
    if found.vocab_size != size:
        raise ConfigError(
            f"the text has pieces for {found.vocab_size:,} entries, and {size:,} were asked for. "
            f"Give more text, or ask for learn:{found.vocab_size}."
        )
    return found


def _written(tokenizer: "Tokenizer") -> str:
    text: str = tokenizer.to_str(pretty=False)
    return text + "\n"


def _of(tokenizer: "Tokenizer", file: str, source: str) -> BytePairs:
    found = BytePairs(file, tokenizer)
    if found.decode(found.encode(_PROBE)) != _PROBE:
        raise CheckpointError(
            f"{source} is no byte-level vocabulary: a text does not come back from its tokens as "
            "it was. Choose one such as GPT-2's, or learn one: --vocabulary learn:4096."
        )
    return found
