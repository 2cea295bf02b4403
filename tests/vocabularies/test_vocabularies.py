"""Every vocabulary: what is encoded comes back, and templates keep their blanks."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import CheckpointError, ConfigError, DataError, PromptError
from unmask.vocabularies.byte_pairs import learn_byte_pairs, read_byte_pairs
from unmask.vocabularies.characters import text8
from unmask.vocabularies.named import named_vocabulary, vocabulary_in
from unmask.vocabularies.raw_bytes import Bytes
from unmask.vocabularies.vocabulary import Vocabulary

LINES = [f"The {n}th of the winters, and the Winter of {n * 37}.\n" for n in range(300)]
PAIRS = learn_byte_pairs(LINES, 300)
OF_ANY_TEXT: dict[str, Vocabulary] = {"bytes": Bytes(), "byte-pairs": PAIRS}
EVERY = OF_ANY_TEXT | {"characters": text8()}
any_text = st.text(st.characters(codec="utf-8"), max_size=40)


def texts() -> list[str]:
    return LINES


@pytest.mark.parametrize("name", OF_ANY_TEXT)
@given(text=any_text)
def test_any_text_comes_back_from_its_tokens(name: str, text: str) -> None:
    vocabulary = OF_ANY_TEXT[name]
    token_ids = vocabulary.encode(text)
    assert vocabulary.decode(token_ids) == text
    assert not len(token_ids) or 0 <= token_ids.min() <= token_ids.max() < vocabulary.vocab_size
    ids = vocabulary.encode_bytes(text.encode())
    assert ids.dtype == vocabulary.id_type and ids.tolist() == token_ids.tolist()


@given(
    st.lists(
        st.sampled_from(
            ["a", " b", "\n", "\n\n", "  ", ".", "\t", "Winter", "1", "\u3000", "\u00a0", "。",
             "\u2028", "é", "数", "🎈"]
        )
    ),
    st.sampled_from([1, 4, 2**20]),
)  # fmt: skip
def test_a_text_in_parts_has_the_tokens_it_has_whole(words: list[str], chunk: int) -> None:
    text = "".join(words)
    whole = PAIRS.tokenizer.encode(text, add_special_tokens=False).ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unmask.vocabularies.byte_pairs._CHUNK", chunk)
        assert PAIRS.encode(text).tolist() == whole


def test_a_long_text_is_read_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(LINES)
    whole = PAIRS.encode(text)
    monkeypatch.setattr("unmask.vocabularies.byte_pairs._CHUNK", 50)
    assert torch.equal(PAIRS.encode(text), whole) and len(whole) < len(text) / 2


@pytest.mark.parametrize("name", EVERY)
@given(parts=st.lists(st.text(" abz", max_size=6), min_size=2, max_size=5))
def test_a_template_keeps_its_blanks(name: str, parts: list[str]) -> None:
    vocabulary = EVERY[name]
    template = vocabulary.blank.join(parts)
    token_ids = vocabulary.encode_template(template)
    assert int((token_ids == vocabulary.vocab_size).sum()) == len(parts) - 1
    assert vocabulary.decode(token_ids) == template


@pytest.mark.parametrize("name", EVERY)
def test_a_prompt_is_followed_by_mask(name: str) -> None:
    vocabulary = EVERY[name]
    prompt = vocabulary.encode("the winter")
    given_ids = vocabulary.encode_prompt("the winter", len(prompt) + 2)
    assert given_ids.tolist() == [*prompt.tolist(), *[vocabulary.vocab_size] * 2]
    assert vocabulary.decode(given_ids) == "the winter" + 2 * vocabulary.blank
    pieces = "".join(map(vocabulary.piece, given_ids.tolist()))
    assert pieces == "the winter" + 2 * vocabulary.blank
    with pytest.raises(PromptError, match=f"has {len(prompt)} {vocabulary.unit}; .* leaves noth"):
        vocabulary.encode_prompt("the winter", len(prompt))
    with pytest.raises(PromptError, match="has no blank"):
        vocabulary.encode_template("the winter")


@pytest.mark.parametrize("name", EVERY)
def test_a_model_folder_names_its_vocabulary(name: str, tmp_path: Path) -> None:
    vocabulary = EVERY[name]
    for file, content in vocabulary.files().items():
        (tmp_path / file).write_text(content)
    stored = json.loads(json.dumps(vocabulary.to_json()))
    assert vocabulary_in(tmp_path, stored) == vocabulary
    assert vocabulary_in(tmp_path, stored).describe() == vocabulary.describe()


def test_learning_again_finds_the_same() -> None:
    assert learn_byte_pairs(iter(LINES), 300) == PAIRS
    assert PAIRS.vocab_size == 300 and PAIRS.separator_id == 0
    assert PAIRS.decode(torch.tensor([0])) == "<|endoftext|>"


def test_a_file_written_in_other_words_is_kept_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(json.loads(PAIRS.file), indent=1))
    found = read_byte_pairs(tmp_path)
    assert found.files()["tokenizer.json"] == (tmp_path / "tokenizer.json").read_text()
    assert vocabulary_in(tmp_path, found.to_json()) == found
    assert found.encode(LINES[3]).tolist() == PAIRS.encode(LINES[3]).tolist()


def test_gpt2s_own_files_are_read(tmp_path: Path) -> None:
    stored = json.loads(PAIRS.file)["model"]
    (tmp_path / "encoder.json").write_text(json.dumps(stored["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in stored["merges"])
    (tmp_path / "vocab.bpe").write_text("#version: 0.2\n" + merges + "\n")
    found = read_byte_pairs(tmp_path)
    assert found.encode(LINES[7]).tolist() == PAIRS.encode(LINES[7]).tolist()
    assert found.vocab_size == 300 and found.separator_id == 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [("text8", text8()), ("bytes", Bytes()), ("characters: abcdefghijklmnopqrstuvwxyz", text8())],
)
def test_vocabularies_have_names(name: str, expected: Vocabulary) -> None:
    assert named_vocabulary(name, texts) == expected


def test_one_is_learnt_or_read_from_a_folder(tmp_path: Path) -> None:
    assert named_vocabulary("learn:300", texts) == PAIRS
    (tmp_path / "tokenizer.json").write_text(PAIRS.file)
    assert named_vocabulary(str(tmp_path), texts) == PAIRS


@pytest.mark.parametrize(
    ("name", "error", "complaint"),
    [
        ("gpt9", ConfigError, "no vocabulary 'gpt9'.*text8, bytes"),
        ("learn:", ConfigError, "followed by a size"),
        ("learn:-3", ConfigError, "followed by a size"),
        ("learn:1e9", ConfigError, "followed by a size"),
        ("learn:200", ConfigError, "has 257 to"),
        ("learn:100000", ConfigError, r"pieces for [\d,]+ entries, and 100,000 were asked for"),
        ("characters:a", ConfigError, "fewer than two"),
        ("characters:abé", ConfigError, "--vocabulary bytes"),
        ("bytes ", ConfigError, "no vocabulary"),
    ],
)
def test_a_vocabulary_that_cannot_be_is_refused(name: str, error: type, complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        named_vocabulary(name, texts)


def a_word_tokenizer() -> str:
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel({"the": 0, "[UNK]": 1}, unk_token="[UNK]")).to_str()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "holds no vocabulary: neither tokenizer.json"),
        ("{}", "is not a tokenizer"),
        (a_word_tokenizer(), "is no byte-level vocabulary"),
    ],
)
def test_a_folder_without_a_vocabulary_is_refused(
    content: str | None, complaint: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=complaint):
        read_byte_pairs(tmp_path)


def test_another_models_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(learn_byte_pairs(LINES, 310).file)
    with pytest.raises(CheckpointError, match="is not the vocabulary that config.json"):
        vocabulary_in(tmp_path, PAIRS.to_json())


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(DataError, match="notes is no text in UTF-8 .* after b'caf'"):
        PAIRS.encode_bytes(b"caf\xe9 au lait", source="notes")
    with pytest.raises(DataError, match="no text in UTF-8"):
        PAIRS.encode("half \udc80")


@pytest.mark.parametrize("name", EVERY)
def test_ids_that_no_token_has_are_refused(name: str) -> None:
    vocabulary = EVERY[name]
    for wrong in (-1, vocabulary.vocab_size + 1):
        with pytest.raises(PromptError, match=rf"must lie in 0\.\.{vocabulary.vocab_size}"):
            vocabulary.decode(torch.tensor([0, wrong]))


@pytest.mark.parametrize(
    ("size", "expected"),
    [(256, np.uint8), (257, np.uint16), (2**16, np.uint16), (2**16 + 1, np.uint32)],
)
def test_ids_take_as_little_room_as_they_can(size: int, expected: type) -> None:
    class Sized(Bytes):
        vocab_size = property(lambda self: size)  # type: ignore[assignment]

    assert Sized().id_type is expected
