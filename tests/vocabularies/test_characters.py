import string

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import ConfigError, DataError, PromptError
from unmask.vocabularies.characters import Characters, encode_prompt, parse_template, text8

CODEC = text8()
MASK = CODEC.vocab_size
DNA = Characters(alphabet="ACGT")


def test_text8_has_the_space_first_and_then_the_letters() -> None:
    assert CODEC.vocab_size == 27
    assert CODEC.encode(" az").tolist() == [0, 1, 26]
    assert CODEC.encode("").tolist() == []


@given(st.text(" " + string.ascii_lowercase))
def test_decode_undoes_encode(text: str) -> None:
    assert CODEC.decode(CODEC.encode(text)) == text
    token_ids = CODEC.encode_bytes(text.encode())
    assert token_ids.tolist() == CODEC.encode(text).tolist()
    assert CODEC.decode(torch.from_numpy(token_ids)) == text


@given(st.lists(st.integers(0, 4)))
def test_encode_undoes_decode_in_any_alphabet(token_ids: list[int]) -> None:
    text = DNA.decode(torch.tensor(token_ids, dtype=torch.int64))
    assert len(text) == len(token_ids)
    assert [("ACGT_").index(character) for character in text] == token_ids


def test_decode_shows_mask() -> None:
    assert CODEC.decode(torch.tensor([MASK, 1, MASK])) == "_a_"


@pytest.mark.parametrize("token_ids", [[0, 28], [-1, 0]])
def test_decode_refuses_ids_that_do_not_exist(token_ids: list[int]) -> None:
    with pytest.raises(AssertionError, match=r"must lie in 0\.\.27"):
        CODEC.decode(torch.tensor(token_ids))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("the Cat", r"text: 'C' at offset 4 is not in the alphabet ' abc.*xyz'\. Pass --norm"),
        ("a b\nc d\nE", r"'\\n' at offset 3 \(line 1\).*; 3 such characters in all"),
        ("naïve café", r"'ï' at offset 2 is not .*; 2 such characters in all\."),
        ("to 数字", r"'数' at offset 3 .*; 2 such"),
        ("lone \udc80", r"offset 5"),
    ],
)
def test_encode_says_which_character_is_foreign_and_where(text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        CODEC.encode(text)


def test_encode_bytes_names_the_line_and_the_file() -> None:
    lines = Characters(alphabet="\nab")
    with pytest.raises(DataError) as caught:
        lines.encode_bytes(b"ab\nba\naXX", source="notes.txt")
    assert str(caught.value) == (
        "notes.txt: 'X' at offset 7 (line 3) is not in the alphabet '\\nab'; 2 such characters in "
        "all. Remove or replace what is not in the alphabet."  # text8's rules would destroy it
    )


def test_encode_bytes_takes_bytes_that_are_no_utf8() -> None:
    with pytest.raises(DataError, match="offset 3 is not in the alphabet"):
        CODEC.encode_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="offset 0 is not in the alphabet"):
        CODEC.encode_bytes(b"\x80")


@pytest.mark.parametrize(
    ("alphabet", "complaint"),
    [
        ("", "fewer than two characters"),
        ("a", "fewer than two characters"),
        ("abca", "'a' occurs more than once"),
        ("abé", "'é' is not ASCII"),
        ("ab_", "'_' is how MASK is shown"),
    ],
)
def test_an_alphabet_that_cannot_work_is_refused(alphabet: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Characters(alphabet=alphabet)


def test_the_codec_survives_json() -> None:
    assert CODEC.to_json() == {"kind": "characters", "alphabet": " " + string.ascii_lowercase}
    assert Characters.from_json(CODEC.to_json()) == CODEC


@pytest.mark.parametrize(
    "fields", [{}, {"kind": "bpe", "alphabet": "ab"}, {"kind": "characters", "alphabet": 3}]
)
def test_json_of_another_kind_is_refused(fields: dict) -> None:
    with pytest.raises(ConfigError, match="a character codec is stored as"):
        Characters.from_json(fields)


def test_template_has_mask_at_its_blanks() -> None:
    assert parse_template("_b _", CODEC).tolist() == [MASK, 2, 0, MASK]
    assert parse_template("?b?", CODEC, blank="?").tolist() == [MASK, 2, MASK]
    assert parse_template("___", CODEC).tolist() == [MASK] * 3


@given(st.text(" abz_", min_size=1).filter(lambda text: "_" in text))
def test_a_template_decodes_to_itself(template: str) -> None:
    assert CODEC.decode(parse_template(template, CODEC)) == template


@pytest.mark.parametrize(
    ("template", "blank", "complaint"),
    [
        ("the cat", "_", r"template 'the cat' has no blank.*use --prompt"),
        ("", "_", "has no blank"),
        ("_the Cat_", "_", r"template: 'C' at offset 5"),
        ("the ?", "_", "has no blank"),
        ("the cat", "a", "outside the alphabet .* got 'a'"),
        ("the [] cat", "[]", r"must be one character .* got '\[\]'"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template, blank, complaint) -> None:
    with pytest.raises(PromptError, match=complaint):
        parse_template(template, CODEC, blank)


def test_prompt_is_followed_by_mask() -> None:
    assert encode_prompt("ab", CODEC, 5).tolist() == [1, 2, MASK, MASK, MASK]
    assert encode_prompt("", CODEC, 2).tolist() == [MASK, MASK]
    assert encode_prompt("ab", CODEC, 3).dtype == torch.int64


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("abcdef", "has 6 characters; a sequence has 5, .* does not fit .*--length"),
        ("abcde", "has 5 characters; a sequence has 5, .* leaves nothing to generate"),
        ("a1", r"prompt: '1' at offset 1 is not in the alphabet"),
    ],
)
def test_a_prompt_that_cannot_be_continued_is_refused(prompt: str, complaint: str) -> None:
    with pytest.raises(PromptError, match=complaint):
        encode_prompt(prompt, CODEC, 5)
