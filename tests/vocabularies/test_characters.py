import string

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import ConfigError, DataError, PromptError
from unmask.vocabularies.characters import Characters, text8

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
    with pytest.raises(PromptError, match=r"must lie in 0\.\.27"):
        CODEC.decode(torch.tensor(token_ids))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "the Cat",
            r"text: 'C' at offset 4 is none of the model's characters ' abc.*xyz'\. Pass --norm",
        ),
        ("a b\nc d\nE", r"'\\n' at offset 3 \(line 1\).*; 3 such in all"),
        ("naïve café", r"'ï' at offset 2 is none .*; 2 such in all\."),
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
        "notes.txt: 'X' at offset 7 (line 3) is none of the model's characters '\\nab'; 2 such in "
        "all. Remove or replace what is not in the alphabet."  # text8's rules would destroy it
    )


def test_encode_bytes_takes_bytes_that_are_no_utf8() -> None:
    with pytest.raises(DataError, match="offset 3 is none of"):
        CODEC.encode_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="offset 0 is none of"):
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


def test_an_alphabet_survives_json() -> None:
    assert CODEC.to_json() == {"kind": "characters", "alphabet": " " + string.ascii_lowercase}
    assert Characters.from_json(CODEC.to_json()) == CODEC


@pytest.mark.parametrize(
    "fields", [{}, {"kind": "bpe", "alphabet": "ab"}, {"kind": "characters", "alphabet": 3}]
)
def test_json_of_another_kind_is_refused(fields: dict) -> None:
    with pytest.raises(ConfigError, match="an alphabet is stored as"):
        Characters.from_json(fields)


def test_template_has_mask_at_its_blanks() -> None:
    assert CODEC.encode_template("_b _").tolist() == [MASK, 2, 0, MASK]
    assert CODEC.encode_template("___").tolist() == [MASK] * 3


@given(st.text(" abz_", min_size=1).filter(lambda text: "_" in text))
def test_a_template_decodes_to_itself(template: str) -> None:
    assert CODEC.decode(CODEC.encode_template(template)) == template


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("the cat", r"template 'the cat' has no blank.*use --prompt"),
        ("", "has no blank"),
        ("_the Cat_", r"template: 'C' at offset 5"),
        ("the ?", "has no blank"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template: str, complaint: str) -> None:
    with pytest.raises(PromptError, match=complaint):
        CODEC.encode_template(template)


def test_prompt_is_followed_by_mask() -> None:
    assert CODEC.encode_prompt("ab", 5).tolist() == [1, 2, MASK, MASK, MASK]
    assert CODEC.encode_prompt("", 2).tolist() == [MASK, MASK]
    assert CODEC.encode_prompt("ab", 3).dtype == torch.int64


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("abcdef", "has 6 characters; a sequence has 5, .* does not fit .*--length"),
        ("abcde", "has 5 characters; a sequence has 5, .* leaves nothing to generate"),
        ("a1", r"prompt: '1' at offset 1 is none of"),
    ],
)
def test_a_prompt_that_cannot_be_continued_is_refused(prompt: str, complaint: str) -> None:
    with pytest.raises(PromptError, match=complaint):
        CODEC.encode_prompt(prompt, 5)
