"""Controls: nonsense on purpose, by samplers without any parameter that was learnt for it.

    shuffled    real samples with their words, or letters, in random order
    unigrams    words, or letters, drawn by how often they occur, in real lengths; of several such
                the one that the judge likes best, or without one the main measure

What a control wins is no measure of quality: a report says so. Re-ranked unigrams reach
state-of-the-art generative perplexity at normal entropy (arXiv:2606.08417).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from unmask.draws import numbers, stream_seed
from unmask.evaluation.ratio_of_sums import RatioOfSums

_SHUFFLED, _UNIGRAMS = range(2)


def units(text: str) -> list[str]:
    """What is shuffled: words with the white space before them, or letters where there is none."""
    return re.findall(r"\s*\S+\s*$|\s*\S+", text) if " " in text.strip() else list(text)


def shuffled(real: Sequence[str], seed: int = 0) -> list[str]:
    """Each of them in random order."""
    found = []
    for number, text in enumerate(real):
        parts = units(text)
        turns = list(islice(numbers(stream_seed(seed, number, _SHUFFLED)), len(parts)))
        found.append("".join(parts[n] for n in sorted(range(len(parts)), key=turns.__getitem__)))
    return found


def unigrams(
    real: Sequence[str],
    prefers: Callable[[Sequence[str]], Sequence[float]],
    *,
    num_tries: int = 16,
    seed: int = 0,
) -> list[str]:
    """As many texts, as long, of units drawn one by one: of some tries the preferred one."""
    pool = [unit for text in real for unit in units(text)]
    if not pool:
        return list(real)
    found = []
    for number, text in enumerate(real):
        draw = numbers(stream_seed(seed, number, _UNIGRAMS))
        tries = [_drawn(draw, pool, len(text)) for _ in range(num_tries)]
        scores = prefers(tries)
        found.append(tries[max(range(num_tries), key=lambda n: scores[n])])
    return found


def _drawn(draw: Iterator[float], pool: Sequence[str], length: int) -> str:
    text = ""
    while len(text) < length:
        text += pool[int(next(draw) * len(pool))]
    return text[:length]


def preference(of_each: RatioOfSums, is_better: int) -> list[float]:
    """Of each sample, more for what the measure takes for better."""
    pairs = zip(of_each.numerator, of_each.denominator, strict=True)
    return [is_better * top / bottom if bottom else -1e9 for top, bottom in pairs]
