import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import ConfigError
from unmask.evaluation.ratio_of_sums import RatioOfSums, mean_of
from unmask.quality.controls import preference, shuffled, unigrams, units
from unmask.quality.quality import JUDGED, Quality, Samples
from unmask.quality.sequences import SequenceQuality
from unmask.quality.texts import SPELLING, TextQuality

REAL = ["MKTAYIAKQR", "MKTAYLAKQR", "MSTAYIAKQK"] * 10


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=20))
def test_a_mean_has_the_error_of_a_mean(values: list[float]) -> None:
    found = mean_of(values)
    assert found.value == pytest.approx(statistics.fmean(values), abs=1e-9)
    error = statistics.stdev(values) / math.sqrt(len(values))
    assert found.standard_error == pytest.approx(error, abs=1e-9)


def test_a_ratio_is_of_sums_and_adds_up() -> None:
    one, other = RatioOfSums((1.0, 2.0), (4.0, 4.0)), RatioOfSums((9.0,), (2.0,))
    assert (one + other).value == 12 / 10 and one.value == 3 / 8
    assert math.isnan(RatioOfSums((1.0,), (0.0,)).value)
    assert math.isnan(RatioOfSums((1.0,), (2.0,)).standard_error)


@pytest.mark.parametrize(
    "quality",
    [
        TextQuality(frozenset(["a"])),
        TextQuality(frozenset(), judge_unit="byte"),
        SequenceQuality(REAL),
        SequenceQuality(REAL, judge_unit="byte"),
    ],
)
def test_every_quality_has_its_numbers(quality: Quality) -> None:
    assert isinstance(quality, Quality) and quality.main == quality.measures[0]
    judged = RatioOfSums((10.0, 12.0, 9.0), (10.0, 10.0, 10.0))
    is_judged = any(measure.name == JUDGED for measure in quality.measures)
    samples = Samples(["b a b", "a a b a a a a", "c a d"], judged if is_judged else None)
    numbers = quality.numbers(samples)
    assert {measure.name for measure in quality.measures} <= set(numbers)
    main = quality.of_each(samples)
    assert main.value == pytest.approx(numbers[quality.main.name].value)
    assert main.standard_error == pytest.approx(numbers[quality.main.name].standard_error)
    assert len(main.numerator) == 3


def test_texts_are_compared_by_words_or_by_a_judge_or_not_at_all() -> None:
    assert TextQuality(frozenset(["a"]), judge_unit="byte").main == SPELLING
    with pytest.raises(ConfigError, match="--data"):
        TextQuality(frozenset())


def test_real_sequences_look_real_and_nonsense_does_not() -> None:
    quality = SequenceQuality(REAL)
    real = quality.numbers(Samples(REAL))
    turned = quality.numbers(Samples([text[::-1] for text in REAL]))
    assert real["chain_bits"].value < turned["chain_bits"].value - 1
    assert real["divergence"].value == pytest.approx(0) and turned["divergence"].value > 0.9
    assert real["distinct"].value == 3 / 30
    low = quality.numbers(Samples(["A" * 20 + "ACDEFGHIKLMNPQRSTVWY"] * 2))["low_complexity"]
    assert low.value == pytest.approx(26 / 40)  # 21 of A, and 5 with which 7 of them are a window


def test_the_chain_is_a_law() -> None:
    quality = SequenceQuality(["ab", "bb", "a"])
    every = [first + second for first in "ab" for second in "ab"]
    found = quality.of_each(Samples(every))
    assert sum(2**-bits for bits in found.numerator) == pytest.approx(1)


def test_controls_keep_what_they_are_made_of() -> None:
    real = ["the winter was long", "MKTAYIAKQR"]
    mixed = shuffled(real)
    assert mixed != real and mixed == shuffled(real) != shuffled(real, seed=1)
    assert [sorted(text) for text in mixed] == [sorted(text) for text in real]
    assert units("the winter") == ["the", " winter"] and units("MKT") == ["M", "K", "T"]


def test_of_unigrams_the_preferred_one_is_taken() -> None:
    quality = SequenceQuality(REAL)

    def prefers(texts: list[str]) -> list[float]:
        return preference(quality.of_each(Samples(texts)), quality.main.is_better)

    picked = unigrams(REAL, prefers)
    plain = unigrams(REAL, lambda texts: [0.0] * len(texts))
    assert [len(text) for text in picked] == [len(text) for text in REAL]
    bits = [quality.of_each(Samples(texts)).value for texts in (picked, plain)]
    assert bits[0] < bits[1] - 0.3
