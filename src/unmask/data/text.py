"""A text as token ids: the standard split, and crops of it.

The first 90 % is for training, the next 5 % for validation, the last 5 % for testing; for text8,
90M, 5M and 5M characters. Source of the split: Mikolov et al. (2012), "Subword language modeling
with neural networks"; as used by Shi et al. (2024), arXiv:2406.04329, and Campbell et al. (2025),
arXiv:2510.03929.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from unmask.data.characters import Characters
from unmask.data.files import read_as_text
from unmask.data.normalise import Normalise
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """One text in three consecutive parts, a byte per token."""

    train: UInt8[Tensor, " num_train"]
    valid: UInt8[Tensor, " num_valid"]
    test: UInt8[Tensor, " num_test"]

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the parts that are learnt from."""
        digest = hashlib.sha256()
        for part in (self.train, self.valid):
            digest.update(part.numpy().tobytes())
        return digest.hexdigest()[:16]


def split(token_ids: UInt8[Tensor, " n"]) -> Corpus:
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
            f"a text of {num_tokens} characters cannot be split 90 / 5 / 5 %: a part would be "
            "empty. Give a longer text."
        )
    return corpus


def load_corpus(
    path: Path | str,
    codec: Characters,
    *,
    normalise: Normalise = Normalise.AS_IS,
    member: str | None = None,
) -> Corpus:
    """Read (see `read_as_text`), normalise, encode and split a text file."""
    data = normalise.apply(read_as_text(path, member))
    if not data:
        raise DataError(
            f"{path}: nothing is left of it in text8's form, which has only a-z and spaces. "
            "Give a text in the Latin alphabet."
        )
    return split(torch.from_numpy(codec.encode_bytes(data, source=str(path))))


def _windows(token_ids: UInt8[Tensor, " n"], length: int) -> UInt8[Tensor, "num_starts {length}"]:
    """Every crop there is, as a view."""
    if len(token_ids) < length:
        raise DataError(
            f"this part of the text has {len(token_ids):,} characters, too few for one sequence "
            f"of {length:,}. Give a longer text, or shorten the model's sequences."
        )
    return token_ids.unfold(0, length, 1)


def random_crops(
    token_ids: UInt8[Tensor, " n"], length: int, batch_size: int, draws: SeededDraws
) -> Int[Tensor, "{batch_size} {length}"]:
    """Crops that start anywhere with equal probability; `draws` has one stream.

    Each crop uses one number of the stream, so the m-th crop is the same whatever the batches.
    """
    windows = _windows(token_ids, length)
    uniform = draws.uniform(torch.ones(1, batch_size, dtype=torch.bool))[0]
    # The product rounds to less than len(windows): uniform is at most 1 - 2^-53.
    return windows[(uniform * len(windows)).long()].long()


def consecutive_crops(
    token_ids: UInt8[Tensor, " n"], length: int, num: int
) -> Int[Tensor, "{num} {length}"]:
    """`num` crops, evenly spaced from the first to the last there is; always the same ones.

    They are disjoint if num * length tokens are there, and overlap if not.
    """
    if num < 1:
        raise ConfigError(f"at least one crop is needed, got {num}. Ask for 1 or more.")
    windows = _windows(token_ids, length)
    starts = torch.arange(num) * (len(windows) - 1) // max(num - 1, 1)
    return windows[starts].long()
