import math
import random
import statistics
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import ConfigError, DataError
from unmask.evaluation.ngrams import Diversity, crops_like, distinct, diversity, entropy

lawfully = settings(deadline=None, derandomize=True, max_examples=100)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXTS = st.lists(st.text("abc ", max_size=12), min_size=1, max_size=5)


def slow_ngrams(samples, n):
    return [tuple(s[i : i + n]) for s in samples for i in range(len(s) - n + 1)]


def slow_entropy(samples, n):
    """From probabilities, not counts; not a number where there is nothing."""
    grams = slow_ngrams(samples, n)
    shares = [grams.count(gram) / len(grams) for gram in set(grams)]
    return sum(-share * math.log2(share) for share in shares) if grams else math.nan


def slow_distinct(samples, n):
    grams = slow_ngrams(samples, n)
    return len(set(grams)) / len(grams) if grams else math.nan


def bits(*counts):
    """Entropy of n-grams that occur so often."""
    return -sum(c / sum(counts) * math.log2(c / sum(counts)) for c in counts)


@pytest.mark.parametrize(
    ("samples", "n", "expected"),
    [
        (["aabb"], 1, 1.0),
        (["aabb"], 2, math.log2(3)),
        (["aaab"], 1, 2 - 0.75 * math.log2(3)),
        (["ab", "ab"], 2, 0.0),
        (["ab", "cd"], 2, 1.0),  # not "bc": it would be log2(3)
        (["abc", "d", ""], 2, 1.0),  # what is too short has no pairs
        ([["the", "cat", "the", "dog"]], 1, 1.5),
    ],
)
def test_entropy_by_hand(samples, n, expected) -> None:
    assert entropy(samples, n).value == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("samples", "n", "expected"),
    [
        ([["the", "cat", "the", "cat"]], 1, 2 / 4),
        ([["the", "cat", "the", "cat"]], 2, 2 / 3),
        ([["the", "cat", "the", "cat"]], 3, 1.0),
        ([["the", "cat"], ["the", "cat"]], 2, 1 / 2),  # not 2 / 3: "cat the" does not occur
        ([["the", "cat"], ["the"]], 1, 2 / 3),
    ],
)
def test_distinct_by_hand(samples, n, expected) -> None:
    assert distinct(samples, n).value == expected


def test_all_of_it_by_hand() -> None:
    result = diversity(["e a b a a", " a b a a b "])  # words: a b a, a b a a b
    assert result.character_entropy.value == pytest.approx(bits(6, 3, 1, 10), abs=1e-14)
    # ' a', 'a ', 'b ', ' b', 'e '
    assert result.pair_entropy.value == pytest.approx(bits(6, 5, 3, 3, 1), abs=1e-14)
    # first characters: ' ', 'a', 'b', 'e'
    expected = bits(6, 5, 3, 3, 1) - bits(9, 5, 3, 1)
    assert result.next_character_entropy.value == pytest.approx(expected, abs=1e-14)
    assert result.word_entropy.value == pytest.approx(bits(5, 3), abs=1e-14)
    assert result.distinct_1.value == 2 / 8
    assert result.distinct_2.value == 3 / 6  # ab ba, ab ba aa ab
    assert result.distinct_3.value == 3 / 4  # aba, aba baa aab


@lawfully
@given(TEXTS, st.integers(1, 3))
def test_entropy_lies_between_zero_and_that_of_equal_shares(texts, n) -> None:
    value = entropy(texts, n).value
    num_ngrams = len(slow_ngrams(texts, n))
    if num_ngrams:
        assert 0 <= value <= math.log2(min(4**n, num_ngrams)) + 1e-12
    else:
        assert math.isnan(value)


def test_rounding_makes_no_entropy_negative() -> None:
    values = [entropy(["a" * count], 1).value for count in range(1, 100)]
    assert min(values) == 0 and max(values) < 1e-14


@lawfully
@given(TEXTS, st.integers(1, 3))
def test_the_distinct_share_lies_in_its_interval(texts, n) -> None:
    value = distinct(texts, n).value
    assert 0 < value <= 1 if slow_ngrams(texts, n) else math.isnan(value)


@lawfully
@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=5))
def test_pairs_of_closed_rings_have_once_to_twice_the_entropy_of_one_character(rings) -> None:
    one, two = entropy(rings, 1).value, entropy([ring + ring[0] for ring in rings], 2).value
    assert one - 1e-12 <= two <= 2 * one + 1e-12


@lawfully
@given(st.lists(st.text("abc ", min_size=2, max_size=12), min_size=1, max_size=5))
def test_a_character_is_no_less_certain_given_the_one_before_it(texts) -> None:
    value = diversity(texts).next_character_entropy.value
    assert -1e-12 <= value <= slow_entropy([text[1:] for text in texts], 1) + 1e-12


@lawfully
@given(TEXTS, st.integers(1, 3))
def test_leaving_each_sample_out_is_counting_the_others_anew(texts, n) -> None:
    for fast, slow in ((entropy, slow_entropy), (distinct, slow_distinct)):
        estimate = fast(texts, n)
        assert estimate.value == pytest.approx(slow(texts, n), abs=1e-12, nan_ok=True)
        others = [slow(texts[:i] + texts[i + 1 :], n) for i in range(len(texts))]
        assert estimate.without_each == pytest.approx(others, abs=1e-12, nan_ok=True)
        if len(texts) > 1 and not any(map(math.isnan, others)):
            variance = (len(texts) - 1) * statistics.pvariance(others)
            assert estimate.standard_error**2 == pytest.approx(variance, abs=1e-12)


@lawfully
@given(st.lists(st.text("ab ", min_size=4, max_size=12), min_size=2, max_size=5))
def test_the_error_of_a_difference_is_that_of_the_differences(texts) -> None:
    estimate = diversity(texts).next_character_entropy

    def slow(some):
        return slow_entropy(some, 2) - slow_entropy([text[:-1] for text in some], 1)

    others = [slow(texts[:i] + texts[i + 1 :]) for i in range(len(texts))]
    assert estimate.without_each == pytest.approx(others, abs=1e-12)


def test_standard_error_by_hand() -> None:
    # Without each: 1, 1 and 0 bits; mean 2/3, squares 6/9, variance 2/3 * 6/9.
    assert entropy(["a", "a", "b"], 1).standard_error == pytest.approx(2 / 3, abs=1e-15)
    # Without each: 2/2, 2/2 and 1/2; mean 5/6, squares 6/36, variance 2/3 * 1/6.
    assert distinct(["a", "a", "b"], 1).standard_error == pytest.approx(1 / 3, abs=1e-15)


def test_standard_errors_cover_what_comes_in_clusters() -> None:
    """Over many repetitions a statistic strays as far as its standard error says."""
    generator = random.Random(0)
    characters, pairs, as_if_independent = [], [], []
    for _ in range(800):
        samples = [generator.choices(LETTERS[generator.randint(0, 20) :], k=8) for _ in range(40)]
        characters.append(entropy(samples, 1))
        pairs.append(distinct(samples, 2))
        if len(as_if_independent) < 100:
            as_if_independent.append(entropy(sum(samples, []), 1))
    # A variance from 800 repetitions is known to sqrt(2 / 800) = 5 %; 15 % is three of these. The
    # jackknife's own excess is 8 % here for the entropy, 29 % for the share.
    assert 0.9 < said_over_true(characters, characters) < 1.25
    assert 0.9 < said_over_true(pairs, pairs) < 1.45
    assert said_over_true(as_if_independent, characters) < 0.5


def said_over_true(said, found):
    """The mean of the variances in `said` over the variance of the values in `found`."""
    variance = statistics.fmean(estimate.standard_error**2 for estimate in said)
    return variance / statistics.variance(estimate.value for estimate in found)


def test_the_plug_in_estimate_is_too_small_by_what_miller_and_madow_say() -> None:
    generator = random.Random(0)
    found = [entropy([generator.choices("abcd", k=100)], 1).value for _ in range(2_000)]
    # Its spread is sqrt(6) / (200 ln 2) each, 0.0004 over 2,000; the bias is 0.0216.
    assert 2 - statistics.fmean(found) == pytest.approx(3 / (200 * math.log(2)), abs=0.002)


def test_held_out_text_cut_in_the_same_way_has_the_same_bias() -> None:
    """So a perfect sampler scores as held-out text does, and not as all of the text."""
    generator = random.Random(0)
    words = ["".join(generator.choices("abcdefgh", k=3)) for _ in range(400)]
    text = " ".join(generator.choices(words, k=20_000))
    held_out = " ".join(generator.choices(words, k=20_000))
    samples = [text[n : n + 60] for n in range(0, 60 * 50, 60)]
    ours, theirs = diversity(samples), diversity(crops_like(samples, held_out))
    for name in ("character_entropy", "next_character_entropy", "word_entropy", "distinct_1"):
        mine, its = getattr(ours, name), getattr(theirs, name)
        error = math.hypot(mine.standard_error, its.standard_error)
        assert abs(mine.value - its.value) < 4 * error, name
    whole = diversity([held_out])
    assert whole.word_entropy.value - ours.word_entropy.value > 0.1
    assert ours.distinct_1.value > 5 * whole.distinct_1.value


@lawfully
@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 50))
def test_crops_are_as_long_as_the_samples_and_do_not_overlap(lengths, spare) -> None:
    samples = ["x" * length for length in lengths]
    held_out = "".join(chr(500 + i) for i in range(len(lengths) * max(lengths, default=0) + spare))
    crops = crops_like(samples, held_out)
    assert [len(crop) for crop in crops] == lengths
    assert len(set("".join(crops))) == sum(lengths)
    assert all(crop in held_out for crop in crops)


def test_crops_reach_from_the_start_to_the_end() -> None:
    assert crops_like(["...", "...", "..."], "abcdefghijk") == ["abc", "efg", "ijk"]
    assert crops_like(["..."], "abcdefghijk") == ["abc"]
    assert crops_like([], "") == []


def test_a_short_held_out_text_is_refused() -> None:
    with pytest.raises(DataError, match="has 11 characters, too few to cut 4 crops of up to 3"):
        crops_like(["...", ".", ".", "."], "abcdefghijk")


def test_an_ngram_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one element, got n = 0"):
        entropy(["ab"], 0)


def test_what_cannot_be_known_is_not_a_number() -> None:
    for texts in ([], ["", ""], ["a"]):
        result = diversity(texts)
        assert math.isnan(result.word_entropy.value) and math.isnan(result.distinct_2.value)
    assert math.isnan(entropy(["ab"], 1).standard_error)
    assert math.isnan(entropy(["ab", ""], 1).standard_error)  # without the first nothing is left


def test_equal_samples_have_no_error() -> None:
    result = diversity([" the cat sat on the mat "] * 7)
    for field in fields(Diversity):
        if not field.name.startswith("distinct"):
            assert getattr(result, field.name).standard_error == pytest.approx(0, abs=1e-14)
