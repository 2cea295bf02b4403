import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.evaluation import spelling
from unmask.evaluation.spelling import Edges, SpellingAccuracy, spelling_accuracy, word_set

KNOWN = frozenset({"the", "cat", "sat"})


@given(st.lists(st.text(" ab\n", max_size=30)), st.integers(1, 40))
def test_word_set_is_the_same_however_the_text_is_cut_up(texts, chunk) -> None:
    text = " ".join(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spelling, "_CHUNK_CHARACTERS", chunk)
        assert word_set(text) == frozenset(text.split())


@pytest.mark.parametrize(
    ("sample", "num_words", "num_correct"),
    [
        ("he cat szt the ca", 3, 2),  # pieces at both ends
        (" the cat ", 2, 2),  # whole words at both ends
        (" the cat", 1, 1),
        ("the cat ", 1, 1),
        ("the  cat  sat", 1, 1),  # no word between two spaces
        ("the c_t sat", 1, 0),  # a MASK left over is no letter
        ("thecat", 0, 0),
        ("the cat", 0, 0),
        (" ", 0, 0),
        ("", 0, 0),
    ],
)
def test_only_words_between_two_spaces_count(sample, num_words, num_correct) -> None:
    accuracy = spelling_accuracy([sample], KNOWN)
    assert (accuracy.num_words, accuracy.num_correct) == (num_words, num_correct)


def test_words_at_the_edges_count_if_asked_for() -> None:
    accuracy = spelling_accuracy(["he cat szt the", "the"], KNOWN, Edges.COUNTED)
    assert accuracy == SpellingAccuracy(words_per_sample=(4, 1), correct_per_sample=(2, 1))


def test_pieces_at_the_edges_of_a_true_text_never_count_as_mistakes() -> None:
    text = "the cat sat the sat cat the"
    crops = [text[start:end] for start in range(len(text)) for end in range(start, len(text) + 1)]
    assert spelling_accuracy(crops, word_set(text)).share == 1.0
    assert spelling_accuracy(crops, word_set(text), Edges.COUNTED).share < 1.0


def test_accuracies_of_batches_add_up() -> None:
    samples = [" the cat ", " dog ", " the dog sat "]
    parts = spelling_accuracy(samples[:1], KNOWN) + spelling_accuracy(samples[1:], KNOWN)
    assert parts == spelling_accuracy(samples, KNOWN)
    assert parts.share == 4 / 6  # sums before ratios; the mean of 1, 0 and 2/3 is 5/9


def test_standard_error_by_hand() -> None:
    accuracy = SpellingAccuracy(words_per_sample=(2, 4, 4), correct_per_sample=(2, 1, 2))
    # R = 1/2; residuals 1, -1, 0; variance 3/2 * 2 / 10^2.
    assert accuracy.standard_error == pytest.approx(math.sqrt(0.03), abs=1e-15)


def test_standard_error_covers_words_that_are_right_or_wrong_together() -> None:
    """Over many repetitions the error of the share is as large as the standard error says."""
    generator = random.Random(0)
    num_samples, num_repetitions = 100, 2_000
    shares, variances, variances_if_independent = [], [], []
    for _ in range(num_repetitions):
        words = [generator.randint(5, 15) for _ in range(num_samples)]
        correct = [count if generator.random() < 0.8 else count // 2 for count in words]
        accuracy = SpellingAccuracy(
            words_per_sample=tuple(words), correct_per_sample=tuple(correct)
        )
        shares.append(accuracy.share)
        variances.append(accuracy.standard_error**2)
        variances_if_independent.append(accuracy.share * (1 - accuracy.share) / sum(words))
    mean = sum(shares) / num_repetitions
    spread = sum((share - mean) ** 2 for share in shares) / (num_repetitions - 1)
    # A variance from 2,000 repetitions is known to sqrt(2 / 2000) = 3 %; 15 % is five of these.
    assert sum(variances) / num_repetitions == pytest.approx(spread, rel=0.15)
    assert sum(variances_if_independent) / num_repetitions < 0.85 * spread


def test_what_cannot_be_known_is_not_a_number() -> None:
    assert math.isnan(spelling_accuracy([], KNOWN).share)
    assert math.isnan(spelling_accuracy(["thecat"] * 2, KNOWN).standard_error)
    assert math.isnan(spelling_accuracy([" the cat "], KNOWN).standard_error)


def test_equal_samples_have_no_error() -> None:
    errors = [spelling_accuracy([" the dog "] * n, KNOWN).standard_error for n in (2, 5)]
    assert all(first == second == 0.0 for first, second in pairwise(errors))
