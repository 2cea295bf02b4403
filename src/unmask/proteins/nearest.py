"""How near a sequence is to the nearest of a file: what a designer calls novelty.

    identity = residues that are the same in the best alignment  /  residues of the sequence

The alignment is that of phmmer (HMMER's search of a sequence against sequences), as the library
pyhmmer computes it; without a hit of expectation 10 or less the identity is 0.

Source: Eddy (2011), "Accelerated profile HMM searches", PLoS Computational Biology 7:e1002195.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unmask.data.records import Record, read_records
from unmask.errors import ConfigError, DataError


@dataclass(frozen=True)
class Nearest:
    """The nearest sequence of a file."""

    name: str
    """The first word of its header; "" if none is near."""
    identity: float
    """From 0 to 1."""


def library() -> Any:
    """pyhmmer. Raises `ConfigError` if it is not installed."""
    try:
        import pyhmmer
    except ImportError as error:
        raise ConfigError(
            "comparing proteins needs the library pyhmmer, which is not installed. Install it: "
            'pip install "unmask[proteins]".'
        ) from error
    return pyhmmer


class Database:
    """The sequences of a FASTA file, to be compared with; read once.

    Raises:
        ConfigError: pyhmmer is not installed.
        DataError: the file cannot be read, or has no sequences.
    """

    def __init__(self, path: Path | str) -> None:
        hmmer = library()
        found = read_records(path)
        every = list(found.each) if found else []
        if not every:
            raise DataError(f"{path} has no sequences to compare with. Name a FASTA file.")
        self._hmmer, self._alphabet = hmmer, hmmer.easel.Alphabet.amino()
        self._targets = hmmer.easel.DigitalSequenceBlock(
            self._alphabet, [self._digital(each.id or each.where, each) for each in every]
        )

    def _digital(self, name: str, record: Record) -> Any:
        text = record.text.decode(errors="replace").upper()
        try:
            sequence = self._hmmer.easel.TextSequence(name=name.encode(), sequence=text)
            return sequence.digitize(self._alphabet)
        except ValueError as error:
            raise DataError(f"{record.where} is no protein: {error}.") from error

    def nearest(
        self, sequences: Sequence[str], observe: Callable[[int], None] = lambda num: None
    ) -> Iterator[Nearest]:
        """Of each sequence, in order; about a second for 40,000 sequences to compare with."""
        queries = [
            self._digital(f"query{n}", Record("", text.encode(), f"sequence {n + 1}"))
            for n, text in enumerate(sequences)
        ]
        found = self._hmmer.hmmer.phmmer(queries, self._targets, cpus=1)
        for query, hits in zip(queries, found, strict=True):
            observe(1)
            best = next(iter(hits), None)
            if best is None:
                yield Nearest("", 0.0)
                continue
            aligned = best.best_domain.alignment
            pairs = zip(aligned.hmm_sequence.upper(), aligned.target_sequence.upper(), strict=True)
            same = sum(a == b for a, b in pairs)
            name = best.name if isinstance(best.name, str) else best.name.decode()
            yield Nearest(name, same / len(query.sequence))
