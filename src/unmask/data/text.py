"""A text as token ids: the standard split, and crops of it.

The first 90 % is for training, the next 5 % for validation, the last 5 % for testing; for text8,
90M, 5M and 5M characters. Source of the split: Mikolov et al. (2012), "Subword language modeling
with neural networks"; as used by Shi et al. (2024), arXiv:2406.04329, and Campbell et al. (2025),
arXiv:2510.03929.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt
from torch import Tensor

from unmask.data.documents import documents
from unmask.data.files import read_as_text
from unmask.data.normalise import Normalise
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, DataError
from unmask.vocabularies.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """One text in three consecutive parts, in the smallest type that holds its ids."""

    train: UInt[Tensor, " num_train"]
    valid: UInt[Tensor, " num_valid"]
    test: UInt[Tensor, " num_test"]

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the parts that are learnt from."""
        digest = hashlib.sha256()
        for part in (self.train, self.valid):
            digest.update(part.numpy().tobytes())
        return digest.hexdigest()[:16]


def split(token_ids: UInt[Tensor, " n"]) -> Corpus:
    """The first 90 %, the next 5 % and the last 5 %, without copying."""
    num_tokens = len(token_ids)
    end_of_train, end_of_valid = num_tokens * 90 // 100, num_tokens * 95 // 100
    corpus = Corpus(
        train=token_ids[:end_of_train],
        valid=token_ids[end_of_train:end_of_valid],
        test=token_ids[end_of_valid:],
    )
    if not len(corpus.train) or not len(corpus.valid) or not len(corpus.test):
        raise DataError(
            f"a text of {num_tokens} tokens cannot be split 90 / 5 / 5 %: a part would be "
            "empty. Give a longer text."
        )
    return corpus


def load_corpus(
    path: Path | str,
    vocabulary: Vocabulary,
    *,
    normalise: Normalise = Normalise.AS_IS,
    member: str | None = None,
) -> Corpus:
    """Read the documents of a text file (`read_as_text`, `documents`), encode and split them.

    Behind each document stands the vocabulary's separator, if it has one; a file that is one
    document has none. Raises `DataError`.
    """
    texts = list(read_documents(path, normalise=normalise, member=member))
    ids = [vocabulary.encode_bytes(text, source=str(path)) for text in texts]
    if vocabulary.separator_id is not None and len(ids) > 1:
        separator = np.array([vocabulary.separator_id], dtype=vocabulary.id_type)
        ids = [part for each in ids for part in (each, separator)]
    return split(torch.from_numpy(ids[0] if len(ids) == 1 else np.concatenate(ids)))


def read_documents(
    path: Path | str, *, normalise: Normalise = Normalise.AS_IS, member: str | None = None
) -> list[bytes]:
    """The documents of a text file, in text8's form if that is asked for: then it is one.

    Raises `DataError`.
    """
    texts = list(documents(read_as_text(path, member), str(path)))
    if normalise is Normalise.TEXT8:
        texts = [normalise.apply(b"\n".join(texts))]
    if not any(texts):
        raise DataError(
            f"{path}: nothing is left of it in text8's form, which has only a-z and spaces. "
            "Give a text in the Latin alphabet."
        )
    return texts


def _windows(token_ids: UInt[Tensor, " n"], length: int) -> UInt[Tensor, "num_starts {length}"]:
    """Every crop there is, as a view."""
    if len(token_ids) < length:
        raise DataError(
            f"this part of the text has {len(token_ids):,} tokens, too few for one sequence "
            f"of {length:,}. Give a longer text, or shorten the model's sequences."
        )
    return token_ids.unfold(0, length, 1)


def random_crops(
    token_ids: UInt[Tensor, " n"], length: int, batch_size: int, draws: SeededDraws
) -> Int[Tensor, "{batch_size} {length}"]:
    """Crops that start anywhere with equal probability; `draws` has one stream.

    Each crop uses one number of the stream, so the m-th crop is the same whatever the batches.
    """
    windows = _windows(token_ids, length)
    uniform = draws.uniform(torch.ones(1, batch_size, dtype=torch.bool))[0]
    # The product rounds to less than len(windows): uniform is at most 1 - 2^-53.
    return windows[(uniform * len(windows)).long()].long()


def consecutive_crops(
    token_ids: UInt[Tensor, " n"], length: int, num: int
) -> Int[Tensor, "{num} {length}"]:
    """`num` crops, evenly spaced from the first to the last there is; always the same ones.

    They are disjoint if num * length tokens are there, and overlap if not.
    """
    if num < 1:
        raise ConfigError(f"at least one crop is needed, got {num}. Ask for 1 or more.")
    windows = _windows(token_ids, length)
    starts = torch.arange(num) * (len(windows) - 1) // max(num - 1, 1)
    return windows[starts].long()
