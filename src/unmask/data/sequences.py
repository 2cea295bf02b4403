"""Sequences of any length: kept one behind the other, split by kind, drawn by length.

A batch has sequences of nearly one length, so that none is padded to speak of. With l_r the length
of sequence r, a token is drawn uniformly from all of them, and decides the group of lengths; the
batch then has T / l sequences of that group, each as probable as the others. So every token of
every sequence is as probable as any other, and every batch has about T tokens.

Which part a sequence is in, training, validation or test, is drawn by hashing it, or the id of
what represents its cluster: 90, 5 and 5 of 100, and those that are alike are never in two parts.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Int, UInt
from torch import Tensor

from unmask.data.records import Record
from unmask.draws import SeededDraws
from unmask.errors import DataError
from unmask.vocabularies.vocabulary import Vocabulary

Part = Literal["train", "valid", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
_ENOUGH, _SPREAD = 64, 16
"""A group has one length if so many sequences have it; else lengths that differ by at most a part
in so many. Training is then faster by a seventh than with padding up to that (docs/log.md)."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """R sequences, one behind the other, without the ends of their vocabulary."""

    token_ids: UInt[Tensor, " n"]
    bounds: Int[Tensor, " num_bounds"]
    """Where each begins, and where the last ends."""

    @staticmethod
    def of(rows: Sequence[np.ndarray]) -> "Sequences":
        """Those of some arrays of ids."""
        lengths = torch.tensor([0, *map(len, rows)])
        token_ids = np.concatenate(rows) if rows else np.zeros(0, dtype=np.uint8)
        return Sequences(torch.from_numpy(token_ids), lengths.cumsum(0))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def lengths(self) -> Int[Tensor, " R"]:
        """How long each is."""
        return self.bounds.diff()

    def __getitem__(self, number: int) -> Int[Tensor, " L"]:
        """The ids of one."""
        return self.token_ids[self.bounds[number] : self.bounds[number + 1]].long()

    def readable(self, longest: int, silent_ids: Sequence[int]) -> "Sequences":
        """Those that are not longer, and have something in them that is not silent."""
        says = ~torch.isin(self.token_ids, torch.tensor(silent_ids, dtype=self.token_ids.dtype))
        said_before = torch.cat([self.bounds[:1] * 0, says.cumsum(0)])[self.bounds]
        is_kept = (self.lengths <= longest) & (said_before.diff() > 0)
        if is_kept.all():
            return self
        kept = self.token_ids[is_kept.repeat_interleave(self.lengths)]
        lengths = torch.cat([self.bounds[:1] * 0, self.lengths[is_kept]])
        return Sequences(kept, lengths.cumsum(0))

    @cached_property
    def groups(self) -> "LengthGroups":
        """Of nearly one length each."""
        return LengthGroups.of(self.lengths)

    def evenly(self, num: int) -> list[int]:
        """Numbers of `num` of them, from the first to the last: always the same ones."""
        return (torch.arange(num) * (len(self) - 1) // max(num - 1, 1)).tolist()


@dataclass(frozen=True, eq=False)
class LengthGroups:
    """The sequences of a set by length, in groups that differ little."""

    by_length: Int[Tensor, " R"]
    """Their numbers, the shortest first."""
    starts: Int[Tensor, " num_starts"]
    """Where each group begins in `by_length`, and where the last ends."""
    tokens_before: Int[Tensor, " num_starts"]
    """Tokens in the groups before each."""

    @staticmethod
    def of(lengths: Int[Tensor, " R"]) -> "LengthGroups":
        """Of sequences of these lengths."""
        in_order, by_length = lengths.sort(stable=True)
        starts, first = [0], in_order[0].item()
        for place, length in enumerate(in_order.tolist()):
            is_full = length > in_order[place - 1] and place - starts[-1] >= _ENOUGH
            if is_full or (length - first) * _SPREAD > length:
                starts, first = [*starts, place], length
        begin = torch.tensor([*starts, len(lengths)])
        before = torch.cat([begin[:1] * 0, in_order.cumsum(0)])
        return LengthGroups(by_length, begin, before[begin])

    def draw(self, draws: SeededDraws, num_tokens: float, multiple: int = 8) -> Int[Tensor, " B"]:
        """The sequences of a batch of about so many tokens; their number divides by `multiple`."""
        share = draws.uniform(torch.ones(1, 1, dtype=torch.bool))[0, 0]
        place = (share * self.tokens_before[-1]).long()
        group = int(torch.searchsorted(self.tokens_before, place, right=True)) - 1
        begin, end = self.starts[group].item(), self.starts[group + 1].item()
        mean_length = (self.tokens_before[group + 1] - self.tokens_before[group]) / (end - begin)
        num = max(1, round(num_tokens / mean_length.item() / multiple)) * multiple
        each = draws.uniform(torch.ones(1, num, dtype=torch.bool))[0]
        return self.by_length[begin + (each * (end - begin)).long()]


@dataclass(frozen=True, kw_only=True)
class SequenceCorpus:
    """Sequences in three parts."""

    train: Sequences
    valid: Sequences
    test: Sequences

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of what is learnt from."""
        digest = hashlib.sha256()
        for part in (self.train, self.valid):
            digest.update(part.token_ids.numpy().tobytes())
            digest.update(part.bounds.numpy().tobytes())
        return digest.hexdigest()[:16]


def part_of(text: bytes, name: str = "", clusters: Mapping[str, str] | None = None) -> Part:
    """The part that a record is in, which is named `name` in the clusters."""
    key = text if clusters is None else clusters.get(name, name).encode()
    number = hashlib.blake2b(key, digest_size=8).digest()[-1] % 20
    return "test" if number == 0 else "valid" if number == 1 else "train"


def encode_records(records: Iterable[Record], vocabulary: Vocabulary) -> Sequences:
    """Records as sequences. Raises `DataError`, which names the record."""
    rows = [vocabulary.encode_bytes(each.text, source=each.where) for each in records]
    return Sequences.of(rows)


def load_sequences(
    records: Iterable[Record], vocabulary: Vocabulary, source: Path | str
) -> SequenceCorpus:
    """Records in three parts (`part_of`). Raises `DataError` if one of them would be empty."""
    parts: dict[Part, list[Record]] = {part: [] for part in PARTS}
    for record in records:
        parts[part_of(record.text)].append(record)
    for part, found in parts.items():
        if not found:
            raise DataError(
                f"{source} has too few records to be split: none of them is for {part}. Give "
                "more; a few hundred will do."
            )
    return SequenceCorpus(**{p: encode_records(found, vocabulary) for p, found in parts.items()})
