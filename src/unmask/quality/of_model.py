"""The quality by which the samples of a model are judged, and the real data beside them."""

from dataclasses import dataclass
from pathlib import Path

import torch

from unmask.data.prepared import is_prepared, open_prepared
from unmask.data.records import read_records
from unmask.data.sequences import SequenceCorpus, Sequences, load_sequences
from unmask.data.text import Corpus, consecutive_crops, load_corpus
from unmask.errors import ConfigError, DataError
from unmask.evaluation.spelling import word_set
from unmask.evaluation.words import words_of
from unmask.files.model_folder import WORDS_FILE, find_folder
from unmask.models.text import TextModel
from unmask.quality.families import Families
from unmask.quality.quality import Quality
from unmask.quality.sequences import SequenceQuality
from unmask.quality.texts import TextQuality
from unmask.vocabularies.residues import Residues

_MOST_REAL = 20_000
"""Sequences on which the chain is fitted."""
_PIECE = 2**22


@dataclass(frozen=True)
class RealData:
    """What a model is held to; either is None if it is of the other kind."""

    corpus: Corpus | None = None
    sequences: SequenceCorpus | None = None

    def held_out(self, model: TextModel, num: int) -> list[str]:
        """Texts for validation, as many and as long as samples, or as they are long.

        Raises `DataError` if there are too few.
        """
        if self.sequences is not None:
            found = self.sequences.valid.readable(model.length, model.vocabulary.silent_ids)
            if not len(found):
                raise DataError("no sequence for validation is as short as the model reads.")
            return _decoded(model, found, min(num, len(found)))
        if self.corpus is None:
            return []
        length = model.length
        if len(self.corpus.valid) < num * length:
            raise DataError(
                f"the held-out text has {len(self.corpus.valid):,} {model.vocabulary.unit}, too "
                f"few for {num:,} pieces of {length:,} that do not overlap. Give a longer text, "
                "or fewer samples."
            )
        crops = consecutive_crops(self.corpus.valid, length, num)
        return [model.vocabulary.decode(crop) for crop in crops]


def _decoded(model: TextModel, sequences: Sequences, num: int) -> list[str]:
    return [model.vocabulary.decode(sequences[n]) for n in sequences.evenly(num)]


def read_real_data(path: Path | str, model: TextModel) -> RealData:
    """A text, records, or data that was made ready; nothing of "".

    Raises `DataError` if it cannot be read, or has what the model has no token for.
    """
    if not path:
        return RealData()
    if is_prepared(path):
        ready = open_prepared(path)
        if ready.vocabulary != model.vocabulary:
            raise DataError(
                f"{path} was made ready as {ready.vocabulary.describe()}, and {model.name} reads "
                f"{model.vocabulary.describe()}. Prepare it with the model's: --vocabulary "
                f"{model.name}."
            )
        if ready.kind == "sequences":
            return RealData(sequences=ready.sequences())
        return RealData(corpus=ready.corpus())
    records = read_records(path)
    if records is not None:
        return RealData(sequences=load_sequences(records.each, model.vocabulary, path))
    return RealData(corpus=load_corpus(path, model.vocabulary))


def quality_of(
    model: TextModel,
    real: RealData,
    *,
    words: Path | str = "",
    judge_unit: str = "",
    families: Path | str = "",
) -> Quality:
    """The measures of a model's domain; `judge_unit` is that of the judge, if there is one.

    `families` is a file of profiles, or "gecco", of proteins.

    Raises:
        ConfigError: there is nothing to compare texts by; or families are asked for of other
            things than proteins, or of a package that is not installed.
        DataError: a model of sequences is to be held to real ones, and none are named.
    """
    if families and not isinstance(model.vocabulary, Residues):
        raise ConfigError(
            f"families are of proteins, and {model.name} writes {model.vocabulary.describe()}."
        )
    if model.vocabulary.domain == "sequences":
        if real.sequences is None:
            raise DataError(
                f"samples of {model.name} are held to real sequences: name the file it learnt "
                "from with --data, such as proteins.fasta."
            )
        train = real.sequences.train
        known = Families(families) if families else None
        decoded = _decoded(model, train, min(_MOST_REAL, len(train)))
        return SequenceQuality(decoded, judge_unit, known)
    return TextQuality(_known_words(model, real, words), judge_unit)


def _known_words(model: TextModel, real: RealData, words: Path | str) -> frozenset[str]:
    """Those of a list, of the model's folder, or of the text it learnt from."""
    has_list = bool(words) or (find_folder(model.name) / WORDS_FILE).exists()
    if has_list:
        return words_of(model.name, words)
    if real.corpus is not None:
        pieces = torch.split(real.corpus.train, _PIECE)
        return frozenset().union(*(word_set(model.vocabulary.decode(p.long())) for p in pieces))
    return frozenset()
