"""Entropies and diversity of a set of samples, from the n-grams that occur in them.

n-gram k (of characters, or of words) occurs c_k times in all samples together; with
N = sum_k c_k, and K of them seen at all,

    entropy in bits   H = log2 N  -  (1/N) sum_k c_k log2 c_k
    distinct-n        D = K / N.

No n-gram reaches from one sample into the next. The entropy of a character given the one before
it is H(pairs) - H(first characters of pairs).

H, the plug-in estimate, is too small: by (K - 1) / (2N ln 2) bits if N independent n-grams are
many for K kinds (Miller-Madow), by an amount that no formula tells if most kinds are seen once,
as words are. D falls as samples are added or lengthened, since words come back. So neither means
much by itself: compare with held-out text cut into as many samples, as long (`crops_like`), whose
bias is that of a perfect sampler.

The samples are independent, what is within one is not: standard errors are by the jackknife,
which leaves out one of the m samples at a time. With T_i the statistic of the others,

    variance  ~  (m - 1) / m  sum_i (T_i - mean of T)^2.

It says how far the statistic strays from one set of m samples to the next, not how biased it is;
if anything it says too much (Efron and Stein).

Sources: Li et al. (2016), arXiv:1510.03055, for distinct-n, which they divide by the number of
words, not of n-grams; Zheng et al. (2024), arXiv:2409.02908, for entropy as the check on what
looks good because it is not diverse (theirs is of each sample by itself, averaged; here counts
are added up); Miller (1955), "Note on the bias of information estimates"; Efron and Stein
(1981), "The jackknife estimate of variance".
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from unmask.errors import ConfigError, DataError
from unmask.evaluation.spelling import Edges, words_of


@dataclass(frozen=True)
class Estimate:
    """A statistic of a set of samples; not a number if there is nothing to count."""

    value: float
    without_each: tuple[float, ...] = field(repr=False)
    """T_i above: the same of all samples but one."""

    @property
    def standard_error(self) -> float:
        """By the jackknife; not a number for fewer than two samples."""
        num_samples = len(self.without_each)
        if num_samples < 2:
            return math.nan
        mean = math.fsum(self.without_each) / num_samples
        squares = math.fsum((value - mean) ** 2 for value in self.without_each)
        return math.sqrt((num_samples - 1) / num_samples * squares)

    def __sub__(self, other: "Estimate") -> "Estimate":
        """The difference of two statistics of the same samples: its error is not their sum."""
        pairs = zip(self.without_each, other.without_each, strict=True)
        return Estimate(self.value - other.value, tuple(a - b for a, b in pairs))


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """How varied a set of texts is; to be read beside that of `crops_like` them."""

    character_entropy: Estimate
    """Bits per character, whatever stands before it."""
    pair_entropy: Estimate
    """Bits per pair of neighbouring characters."""
    next_character_entropy: Estimate
    """Bits per character, given the one before it."""
    word_entropy: Estimate
    """Bits per word; edges of a sample left out, as for spelling."""
    distinct_1: Estimate
    """The share of different words among all words."""
    distinct_2: Estimate
    """The share of different pairs of neighbouring words among all such pairs."""
    distinct_3: Estimate
    """The same of three words in a row."""


def diversity(texts: Sequence[str]) -> Diversity:
    """All of it, of samples as characters and as words."""
    words = [words_of(text, Edges.LEFT_OUT) for text in texts]
    pair_entropy = entropy(texts, 2)
    return Diversity(
        character_entropy=entropy(texts, 1),
        pair_entropy=pair_entropy,
        next_character_entropy=pair_entropy - entropy([text[:-1] for text in texts], 1),
        word_entropy=entropy(words, 1),
        distinct_1=distinct(words, 1),
        distinct_2=distinct(words, 2),
        distinct_3=distinct(words, 3),
    )


def entropy(samples: Sequence[Sequence[Hashable]], n: int) -> Estimate:
    """H above, of the n-grams of texts or of lists of words."""
    return _jackknifed(
        samples,
        n,
        term=lambda count: count * math.log2(count or 1),
        # Of one n-gram alone it is zero, and would by rounding be less.
        statistic=lambda total, size: max(0.0, math.log2(size) - total / size),
    )


def distinct(samples: Sequence[Sequence[Hashable]], n: int) -> Estimate:
    """D above, of the n-grams of lists of words, or of texts."""
    return _jackknifed(
        samples,
        n,
        term=lambda count: float(count > 0),
        statistic=lambda total, size: total / size,
    )


def crops_like(texts: Sequence[str], held_out: str) -> list[str]:
    """As many crops of a text as there are samples, of the same lengths; always the same ones.

    They are evenly spaced and do not overlap: what is read twice would count as less diverse.
    """
    longest = max(map(len, texts), default=0)
    if len(held_out) < len(texts) * longest:
        raise DataError(
            f"the held-out text has {len(held_out):,} characters, too few to cut {len(texts):,} "
            f"crops of up to {longest:,} from it that do not overlap. Give a longer text, or "
            "fewer samples."
        )
    spare, last = len(held_out) - longest, max(len(texts) - 1, 1)
    starts = [n * spare // last for n in range(len(texts))]
    return [held_out[s : s + len(text)] for s, text in zip(starts, texts, strict=True)]


def _jackknifed(
    samples: Sequence[Sequence[Hashable]],
    n: int,
    *,
    term: Callable[[int], float],
    statistic: Callable[[float, int], float],
) -> Estimate:
    """statistic(sum_k term(c_k), N) of all samples, and without each.

    To leave a sample out changes the terms of its own n-grams only.
    """
    if n < 1:
        raise ConfigError(f"an n-gram has at least one element, got n = {n}.")
    counts_of = [Counter(zip(*(s[k:] for k in range(n)), strict=False)) for s in samples]
    counts = Counter[Hashable]()
    for own in counts_of:
        counts.update(own)
    total, size = math.fsum(map(term, counts.values())), counts.total()
    sums = [(total, size)]
    for own in counts_of:
        change = math.fsum(term(counts[k] - c) - term(counts[k]) for k, c in own.items())
        sums.append((total + change, size - own.total()))
    value, *without_each = [statistic(t, s) if s else math.nan for t, s in sums]
    return Estimate(value, tuple(without_each))
