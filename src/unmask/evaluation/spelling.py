"""Spelling accuracy: the share of generated words that occur in the training text.

With w_i whole words in sample i, c_i of them known, and n samples,

    share  R = sum_i c_i / sum_i w_i,
    variance of R  ~  n / (n - 1)  sum_i (c_i - R w_i)^2 / (sum_i w_i)^2.

Samples are independent, the words within one are not (one bad stretch spoils several), so the
sample is the unit of the variance: the ratio estimator for clusters. Words taken as independent
would give R (1 - R) / sum_i w_i, which is too small.

A word counts as whole if white space stands on both sides of it. A sample is a crop of a longer
text, so what precedes its first space or follows its last may be a piece of a word, such as
"tion", and says nothing about spelling: those two are left out, the same for every sampler. If
the sample begins with a space the piece left out is empty and nothing is lost.

A word is compared in lower case and without what stands around its letters; what has no letters,
such as a number, is none. Of text8, which has letters alone, that leaves every word as it is.

Sources: Campbell et al. (2025), arXiv:2510.03929, section 5; the variance: Cochran (1977),
"Sampling techniques", section 6.3 and chapter 9A.
"""

import math
import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from enum import Enum

from unmask.evaluation.ratio_of_sums import RatioOfSums

_CHUNK_CHARACTERS = 2**22


class Edges(Enum):
    """What becomes of the first and last word of a sample, which may be cut off."""

    LEFT_OUT = "left_out"
    """Only words between two spaces count."""
    COUNTED = "counted"
    """They count as words; for comparison with figures made that way."""


@dataclass(frozen=True, kw_only=True)
class SpellingAccuracy:
    """How many words of each sample are known. Add those of batches; divide once, at the end."""

    words_per_sample: tuple[int, ...]
    correct_per_sample: tuple[int, ...]

    def __add__(self, other: "SpellingAccuracy") -> "SpellingAccuracy":
        return SpellingAccuracy(
            words_per_sample=self.words_per_sample + other.words_per_sample,
            correct_per_sample=self.correct_per_sample + other.correct_per_sample,
        )

    @property
    def num_words(self) -> int:
        return sum(self.words_per_sample)

    @property
    def num_correct(self) -> int:
        return sum(self.correct_per_sample)

    @property
    def share(self) -> float:
        """R above; not a number if there are no words."""
        return self.num_correct / self.num_words if self.num_words else math.nan

    @property
    def standard_error(self) -> float:
        """The root of the variance above; not a number for fewer than two samples."""
        return RatioOfSums(self.correct_per_sample, self.words_per_sample).standard_error


def word_set(text: str) -> frozenset[str]:
    """The distinct words of a text; the last one may be cut off by the end of a split."""
    words: set[str] = set()
    start = 0
    # Piece by piece: all the words of 10^8 characters at once would take a gigabyte.
    while start < len(text):
        space = text.find(" ", start + _CHUNK_CHARACTERS)
        end = space if space >= 0 else len(text)
        words.update(plain(text[start:end].split()))
        start = end
    return frozenset(words)


def words_of(sample: str, edges: Edges) -> list[str]:
    """The words of a sample that count."""
    if edges is Edges.COUNTED:
        return plain(sample.split())
    return plain(re.split(r"\s+", sample)[1:-1])


def plain(words: Iterable[str]) -> list[str]:
    """Words in lower case, without what stands around their letters; none without letters."""
    return [word for each in words if (word := _AROUND.sub("", each).lower())]


_AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def spelling_accuracy(
    samples: Sequence[str], known_words: Set[str], edges: Edges = Edges.LEFT_OUT
) -> SpellingAccuracy:
    """Which of the words of `samples` are in `known_words`."""
    words_by_sample = [words_of(sample, edges) for sample in samples]
    return SpellingAccuracy(
        words_per_sample=tuple(len(words) for words in words_by_sample),
        correct_per_sample=tuple(
            sum(word in known_words for word in words) for words in words_by_sample
        ),
    )
