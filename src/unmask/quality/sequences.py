"""The quality of proteins and other sequences, beside real ones.

    chain_bits      bits per letter under a chain of order 2 of real sequences: what a plain rule
                    takes them for; samples are good that come near to held-out ones
    judge_bits      the same under a judge, where there is one; then it is the main measure
    divergence      Jensen-Shannon divergence, in bits, of 3-mers from those of real sequences;
                    it falls as samples are added, so compare it with that of as many held-out ones
    low_complexity  share of letters in a stretch of 12 whose entropy is below 2.2 bits (as SEG
                    finds what repeats itself: Wootton and Federhen, 1993)
    letter_entropy, distinct   bits per letter; the share of samples that differ
    in_family       share of samples in a known family, where profiles are named (families.py)

Every one of them is met by copying: what is new is asked of the nearest training sequence.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from unmask.evaluation.ngrams import entropy
from unmask.evaluation.ratio_of_sums import Number, RatioOfSums, mean_of
from unmask.quality.families import FAMILIES, Families
from unmask.quality.quality import JUDGED, Measure, Samples, judged_by

CHAIN = Measure("chain_bits", "chain, bits", "bits per letter under a chain of order 2", 3, -1)
_BESIDE = (
    Measure("divergence", "JS(3-mers)", "divergence of 3-mers, bits", is_better=-1),
    Measure("low_complexity", "low complexity", "share of letters that repeat", is_better=0),
    Measure("letter_entropy", "H(letter)", "entropy of letters, bits", is_better=0),
    Measure("distinct", "distinct", "share of samples that differ", is_better=0),
)
_WINDOW, _LEAST_ENTROPY = 12, 2.2
_ORDER = 2


@dataclass(frozen=True)
class SequenceQuality:
    """Of sequences of letters, held to `real` ones, on which the chain is fitted."""

    real: Sequence[str] = field(repr=False)
    judge_unit: str = ""
    """What the bits of a judge are counted by; "": there is none."""
    families: Families | None = field(default=None, repr=False)
    """Of proteins: those that are looked for."""

    @property
    def main(self) -> Measure:
        """The judge's bits, where there is one."""
        return judged_by(self.judge_unit) if self.judge_unit else CHAIN

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Those of the table."""
        judged = (judged_by(self.judge_unit),) if self.judge_unit else ()
        known = (FAMILIES,) if self.families else ()
        return (*judged, CHAIN, *known, *_BESIDE)

    def numbers(self, samples: Samples) -> dict[str, Number]:
        """Of samples, or of real sequences."""
        texts = samples.texts
        found = {CHAIN.name: self._chain(texts).number}
        if samples.judged is not None:
            found[JUDGED] = samples.judged.number
        if self.families:
            found[FAMILIES.name] = self.families.share(texts)
        letters = entropy(texts, 1)
        return found | {
            "divergence": self._divergence(texts),
            "low_complexity": _low_complexity(texts).number,
            "letter_entropy": Number(letters.value, letters.standard_error),
            "distinct": Number(len(set(texts)) / max(1, len(texts)), 0.0),
            "length": mean_of([float(len(text)) for text in texts]),
        }

    def of_each(self, samples: Samples) -> RatioOfSums:
        """Bits over letters."""
        if self.judge_unit:
            assert samples.judged is not None, "there is a judge"
            return samples.judged
        return self._chain(samples.texts)

    @cached_property
    def _letters(self) -> frozenset[str]:
        return frozenset().union(*self.real)

    @cached_property
    def _grams(self) -> tuple[Counter[str], Counter[str]]:
        """3-mers of the real sequences, each behind signs of a beginning, and what they follow."""
        long, short = Counter[str](), Counter[str]()
        for text in self.real:
            begun = "^" * _ORDER + text
            for n in range(len(text)):
                long[begun[n : n + _ORDER + 1]] += 1
                short[begun[n : n + _ORDER]] += 1
        return long, short

    def _chain(self, texts: Sequence[str]) -> RatioOfSums:
        long, short = self._grams
        num_letters = max(1, len(self._letters))
        bits = []
        for text in texts:
            begun, total = "^" * _ORDER + text, 0.0
            for n in range(len(text)):
                seen = long[begun[n : n + _ORDER + 1]] + 1
                total -= math.log2(seen / (short[begun[n : n + _ORDER]] + num_letters))
            bits.append(total)
        return RatioOfSums(tuple(bits), tuple(map(float, map(len, texts))))

    @cached_property
    def _real_shares(self) -> dict[str, float]:
        counts = _mers(self.real)
        total = counts.total() or 1
        return {mer: count / total for mer, count in counts.items()}

    def _divergence(self, texts: Sequence[str]) -> Number:
        """With the error of the jackknife, over groups of samples."""
        groups = [texts[n::_GROUPS] for n in range(min(_GROUPS, len(texts)))]
        counts = [_mers(group) for group in groups]
        whole = sum(counts, Counter[str]())
        without = [self._from_real(whole - each) for each in counts]
        mean = math.fsum(without) / max(1, len(without))
        squares = math.fsum((value - mean) ** 2 for value in without)
        error = (
            math.sqrt((len(without) - 1) / len(without) * squares) if len(groups) > 1 else math.nan
        )
        return Number(self._from_real(whole), error)

    def _from_real(self, counts: Counter[str]) -> float:
        total, real = counts.total(), self._real_shares
        if not total or not real:
            return math.nan
        found = 0.0
        for mer in counts.keys() | real.keys():
            ours, theirs = counts[mer] / total, real.get(mer, 0.0)
            middle = (ours + theirs) / 2
            found += sum(p * math.log2(p / middle) / 2 for p in (ours, theirs) if p)
        return found


_GROUPS = 20


def _mers(texts: Sequence[str]) -> Counter[str]:
    return Counter(text[n : n + 3] for text in texts for n in range(len(text) - 2))


def _low_complexity(texts: Sequence[str]) -> RatioOfSums:
    """Letters in a window of too little entropy, over letters."""
    low = []
    for text in texts:
        is_low = [False] * len(text)
        for start in range(len(text) - _WINDOW + 1):
            counts = Counter(text[start : start + _WINDOW]).values()
            bits = -sum(c / _WINDOW * math.log2(c / _WINDOW) for c in counts)
            if bits < _LEAST_ENTROPY:
                is_low[start : start + _WINDOW] = [True] * _WINDOW
        low.append(float(sum(is_low)))
    return RatioOfSums(tuple(low), tuple(map(float, map(len, texts))))
