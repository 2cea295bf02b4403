import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import DataError, PromptError
from unmask.vocabularies.residues import AMINO_ACIDS, UNUSUAL, Residues

RESIDUES = Residues()
MASK = 32


def test_ids_are_those_that_esm_was_trained_with() -> None:
    assert RESIDUES.vocab_size == MASK
    assert RESIDUES.encode("MKTLXO").tolist() == [0, 20, 15, 11, 4, 24, 28, 2]
    assert RESIDUES.encode_bytes(b"mkT").tolist() == [20, 15, 11]


@given(st.text(AMINO_ACIDS + UNUSUAL))
def test_a_sequence_comes_back_between_its_ends(sequence: str) -> None:
    token_ids = RESIDUES.encode(sequence)
    assert token_ids[0] == 0 and token_ids[-1] == 2 and len(token_ids) == len(sequence) + 2
    assert RESIDUES.decode(token_ids) == sequence


def test_only_the_twenty_are_generated() -> None:
    spoken = {*range(MASK)} - {*RESIDUES.silent_ids}
    assert "".join(RESIDUES.piece(n) for n in sorted(spoken)) == "LAGVSERTIDPKQNFYMHWC"


def test_a_prompt_is_followed_by_mask_up_to_the_end() -> None:
    assert RESIDUES.encode_prompt("MK", 4).tolist() == [0, 20, 15, MASK, MASK, 2]
    with pytest.raises(PromptError, match="has 4 residues; a sequence has 4, .* leaves nothing"):
        RESIDUES.encode_prompt("MKTL", 4)


def test_lower_case_of_a_template_is_designed_anew() -> None:
    token_ids = RESIDUES.encode_template("MKt_L")
    assert token_ids.tolist() == [0, 20, 15, MASK, MASK, 4, 2]
    assert RESIDUES.decode(token_ids) == "MK__L"
    with pytest.raises(PromptError, match="'1' at offset 2 is none of the model's 20 amino acids"):
        RESIDUES.encode_template("M_1")


def test_what_is_no_residue_is_refused() -> None:
    with pytest.raises(DataError, match=r"here: 'J' at offset 1 .*; 2 such"):
        RESIDUES.encode_bytes(b"MJK J"[:3] + b"J", source="here")
    assert RESIDUES.decode(torch.tensor([3, 1, 31])) == "<unk><pad><null_1>"
