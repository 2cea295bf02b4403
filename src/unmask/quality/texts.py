"""The quality of texts: spelling by a list of words, a judge's bits, entropies and n-grams.

The main measure is the share of words that are known, or where there is no list of them the bits
under a judge. Both are met by repetition too: so read them beside the entropies.
"""

from collections.abc import Set
from dataclasses import dataclass, field, fields

from unmask.errors import ConfigError
from unmask.evaluation.ngrams import diversity
from unmask.evaluation.ratio_of_sums import Number, RatioOfSums
from unmask.evaluation.spelling import spelling_accuracy
from unmask.quality.quality import JUDGED, Measure, Samples, judged_by

SPELLING = Measure("spelling_accuracy", "spelling", "spelling accuracy")
_DIVERSITY = (
    Measure("character_entropy", "H(char)", "entropy of characters, bits", is_better=0),
    Measure("pair_entropy", "H(pair)", "entropy of pairs of characters, bits", is_better=0),
    Measure("distinct_2", "distinct-2", "share of different pairs of words", is_better=0),
)


@dataclass(frozen=True)
class TextQuality:
    """Of texts. Raises `ConfigError` if there is nothing to compare samplers by."""

    known_words: Set[str] = field(repr=False)
    judge_unit: str = ""
    """What the bits of a judge are counted by; "": there is none."""

    def __post_init__(self) -> None:
        if not self.known_words and not self.judge_unit:
            raise ConfigError(
                "texts are compared by how many of their words are known, or by a judge, and "
                "there is neither. Name the text it learnt from (--data), a list of words "
                "(--words), or a judge (--judge)."
            )

    @property
    def main(self) -> Measure:
        """Spelling, where there are words."""
        return SPELLING if self.known_words else judged_by(self.judge_unit)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Those of the table."""
        first = (SPELLING,) if self.known_words else ()
        judged = (judged_by(self.judge_unit),) if self.judge_unit else ()
        return (*first, *judged, *_DIVERSITY)

    def numbers(self, samples: Samples) -> dict[str, Number]:
        """Of samples, or of real texts."""
        found: dict[str, Number] = {}
        if self.known_words:
            found[SPELLING.name] = self._spelling(samples).number
        if samples.judged is not None:
            found[JUDGED] = samples.judged.number
        varied = diversity(samples.texts)
        estimates = {each.name: getattr(varied, each.name) for each in fields(varied)}
        return found | {n: Number(e.value, e.standard_error) for n, e in estimates.items()}

    def of_each(self, samples: Samples) -> RatioOfSums:
        """Known words over words; or bits over tokens."""
        if self.known_words:
            return self._spelling(samples)
        assert samples.judged is not None, "checked above"
        return samples.judged

    def _spelling(self, samples: Samples) -> RatioOfSums:
        found = spelling_accuracy(samples.texts, self.known_words)
        return RatioOfSums(found.correct_per_sample, found.words_per_sample)
