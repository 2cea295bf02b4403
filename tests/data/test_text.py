import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from unmask.data.normalise import Normalise
from unmask.data.text import consecutive_crops, load_corpus, random_crops, split
from unmask.draws import SeededDraws
from unmask.errors import ConfigError, DataError
from unmask.vocabularies.characters import text8

COUNTING = torch.arange(200, dtype=torch.uint8)  # a crop of it shows where it starts


@given(st.integers(11, 5_000))
def test_the_split_is_a_partition_in_the_order_of_the_text(num_tokens: int) -> None:
    token_ids = torch.arange(num_tokens).to(torch.uint8)
    corpus = split(token_ids)
    assert torch.equal(torch.cat([corpus.train, corpus.valid, corpus.test]), token_ids)
    assert len(corpus.train) == num_tokens * 9 // 10
    assert len(corpus.train) + len(corpus.valid) == num_tokens * 19 // 20


def test_a_text_of_text8s_size_is_split_into_90_5_and_5_million() -> None:
    corpus = split(torch.zeros(1, dtype=torch.uint8).expand(100_000_000))
    assert [len(corpus.train), len(corpus.valid), len(corpus.test)] == [
        90_000_000,
        5_000_000,
        5_000_000,
    ]


def test_a_text_too_short_to_split_is_refused() -> None:
    with pytest.raises(DataError, match="a text of 5 tokens cannot be split"):
        split(COUNTING[:5])


def test_load_corpus_reads_normalises_encodes_and_splits(tmp_path) -> None:
    path = tmp_path / "text.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "A" * 90 + "B" * 5 + "1 ")
        archive.writestr("b", "a" * 20)
    vocabulary = text8()
    corpus = load_corpus(path, vocabulary, normalise=Normalise.TEXT8, member="a")
    text = "a" * 90 + "b" * 5 + " one"
    assert "".join(map(vocabulary.decode, [corpus.train, corpus.valid, corpus.test])) == text
    assert len(corpus.train) == 89
    with pytest.raises(DataError, match=r"text\.zip: 'A' at offset 0 .*--normalise"):
        load_corpus(path, vocabulary, member="a")


def test_load_corpus_refuses_a_text_of_which_nothing_is_left(tmp_path) -> None:
    (tmp_path / "a.txt").write_text("数字" * 100)
    with pytest.raises(DataError, match=r"a\.txt: nothing is left of it in text8's form"):
        load_corpus(tmp_path / "a.txt", text8(), normalise=Normalise.TEXT8)


def test_random_crops_are_consecutive_tokens_from_anywhere() -> None:
    crops = random_crops(COUNTING[:12], 10, 3_000, SeededDraws([1]))
    assert crops.dtype == torch.int64 and crops.shape == (3_000, 10)
    starts = crops[:, 0]
    assert torch.equal(crops, starts[:, None] + torch.arange(10))
    # Starts 0, 1, 2 alike: one false alarm in 10^6 choices of the seed.
    assert chisquare(torch.bincount(starts, minlength=3)).pvalue > 1e-6
    assert set(starts.tolist()) == {0, 1, 2}


def test_random_crops_do_not_depend_on_the_batches() -> None:
    whole = random_crops(COUNTING, 8, 6, SeededDraws([7]))
    draws = SeededDraws([7])
    parts = [random_crops(COUNTING, 8, size, draws) for size in (1, 3, 2)]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(random_crops(COUNTING, 8, 6, SeededDraws([8])), whole)


def test_a_crop_may_be_the_whole_text() -> None:
    crops = random_crops(COUNTING[:8], 8, 2, SeededDraws([0]))
    assert torch.equal(crops, COUNTING[:8].long().expand(2, 8))
    assert torch.equal(consecutive_crops(COUNTING[:8], 8, 2), crops)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 40))
def test_consecutive_crops_reach_from_end_to_end_and_overlap_only_if_they_must(
    num_tokens: int, length: int, num: int
) -> None:
    if num_tokens < length:
        return
    crops = consecutive_crops(COUNTING[:num_tokens], length, num)
    starts = crops[:, 0]
    assert torch.equal(crops, starts[:, None] + torch.arange(length))
    gaps = starts.diff()
    assert starts[0] == 0
    if num > 1:
        assert starts[-1] == num_tokens - length
        assert gaps.max() - gaps.min() <= 1
        assert num * length > num_tokens or gaps.min() >= length


def test_consecutive_crops_by_hand() -> None:
    assert consecutive_crops(COUNTING[:9], 3, 3).tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert consecutive_crops(COUNTING[:5], 3, 3).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    with pytest.raises(ConfigError, match="at least one crop is needed, got 0"):
        consecutive_crops(COUNTING, 3, 0)


def test_a_part_shorter_than_a_sequence_is_refused() -> None:
    complaint = "this part of the text has 200 tokens, too few for one sequence of 1,000"
    with pytest.raises(DataError, match=complaint):
        random_crops(COUNTING, 1_000, 2, SeededDraws([0]))
    with pytest.raises(DataError, match=complaint):
        consecutive_crops(COUNTING, 1_000, 2)
