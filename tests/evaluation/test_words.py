import lzma
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask.errors import ConfigError, DataError, OutputError
from unmask.evaluation.words import read_words, write_words

WORDS = frozenset({"able", "about", "abouts", "zoo"})
LISTED = "unmask-words-1\n0able\n2out\n5s\n0zoo\n"

ONE_WORD = st.text(min_size=1, max_size=45).filter(lambda text: text.split() == [text])
ALIKE = st.text("ab", min_size=1, max_size=45)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.frozensets(ONE_WORD | ALIKE))
def test_words_come_back_as_they_were_written(tmp_path_factory, words) -> None:
    path = tmp_path_factory.mktemp("words") / "words.xz"
    write_words(path, words)
    assert read_words(path) == words


def test_the_file_by_hand(tmp_path) -> None:
    path = tmp_path / "words.xz"
    write_words(path, WORDS)
    assert lzma.decompress(path.read_bytes()).decode() == LISTED


@pytest.mark.parametrize("num_shared", [34, 35, 36, 99])
def test_more_is_never_left_out_than_a_digit_can_say(tmp_path, num_shared) -> None:
    words = frozenset({"a" * num_shared, "a" * num_shared + "b", "a" * num_shared + "c"})
    write_words(tmp_path / "words.xz", words)
    assert read_words(str(tmp_path / "words.xz")) == words


def test_the_same_words_make_the_same_file(tmp_path) -> None:
    many = [str(number) for number in range(1_000)]
    for name, words in (("a.xz", set(many)), ("b.xz", set(reversed(many)))):
        write_words(tmp_path / name, words)
    assert (tmp_path / "a.xz").read_bytes() == (tmp_path / "b.xz").read_bytes()


@pytest.mark.parametrize("word", ["", "a b", "a\n", " ", "\u2028"])
def test_what_is_not_one_word_is_refused(tmp_path, word) -> None:
    with pytest.raises(DataError, match="is not one word"):
        write_words(tmp_path / "words.xz", WORDS | {word})
    assert not list(tmp_path.iterdir())


def test_the_name_must_say_that_it_is_compressed(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"must end in .xz, .*Call it words.txt.xz"):
        write_words(tmp_path / "words.txt", WORDS)


@pytest.mark.parametrize(
    ("listed", "trouble"),
    [
        ("able\nabout\n", "first line is not unmask-words-1"),
        ("unmask-words-2\n0able\n", "first line is not unmask-words-1"),
        ("unmask-words-1", "its last is cut off"),
        ("unmask-words-1\n0able\n2out", "its last is cut off"),
        ("unmask-words-1\n0able\n5s\n", "line 3, '5s', does not follow"),
        ("unmask-words-1\n1able\n", "line 2, '1able', does not follow"),
        ("unmask-words-1\n0b\n0a\n", "line 3, '0a', does not follow"),
        ("unmask-words-1\n0able\n4\n", "line 3, '4', does not follow"),  # the same word again
        ("unmask-words-1\n0able\n\n0b\n", "line 3, '', does not follow"),
        ("unmask-words-1\n0able\n?out\n", "line 3, '.out', does not follow"),
        ("unmask-words-1\n0\n", "line 2, '0', does not follow"),
        (b"unmask-words-1\n0\xff\n", "can't decode byte"),
    ],
)
def test_what_is_no_list_of_words_is_called_so(tmp_path, listed, trouble) -> None:
    path = tmp_path / "words.xz"
    path.write_bytes(lzma.compress(listed if isinstance(listed, bytes) else listed.encode()))
    with pytest.raises(DataError, match=f"is not a list of words.*{trouble}"):
        read_words(path)


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path) -> None:
    path = tmp_path / "words.xz"
    write_words(path, WORDS)
    whole = path.read_bytes()
    damaged = [whole[:size] for size in range(len(whole))]
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"words\.xz"):
            read_words(path)


def test_a_missing_file_is_called_so(tmp_path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_words(tmp_path / "words.xz")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    path = tmp_path / "words.xz"
    write_words(path, WORDS)

    def full(descriptor: int) -> None:
        assert read_words(path) == WORDS  # all is written by now, and not here
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*No space left.* is intact"):
        write_words(path, {"other"})
    assert read_words(path) == WORDS
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_not_there_is_called_so(tmp_path) -> None:
    (tmp_path / "file").touch()
    for folder in ("nowhere", "file"):
        with pytest.raises(OutputError, match="cannot write"):
            write_words(tmp_path / folder / "words.xz", WORDS)
