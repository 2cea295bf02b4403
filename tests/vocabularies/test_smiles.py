import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.errors import CheckpointError, ConfigError, DataError
from unmask.vocabularies.named import named_vocabulary, vocabulary_in
from unmask.vocabularies.smiles import Smiles, learn_smiles

MOLECULES = ["CC[nH]1c[nH]c[n+]1C", "C1=CC(Br)=CC%12Cl1", "C[C@@H](N)C(=O)O"]
SMILES = learn_smiles(MOLECULES)


def test_atoms_bonds_and_rings_are_one_token_each() -> None:
    assert SMILES.atoms == ("[nH]", "[C@@H]", "[n+]")  # the frequent ones first
    pieces = [SMILES.piece(n) for n in SMILES.encode("C1=CC(Br)=C[nH]%12").tolist()]
    assert pieces == ["", "C", "1", "=", "C", "C", "(", "Br", ")", "=", "C", "[nH]", "%12", ""]


@given(st.lists(st.sampled_from(["C", "c", "Cl", "Br", "(", ")", "1", "%12", "[nH]", "=", "\\"])))
def test_a_molecule_comes_back(tokens: list[str]) -> None:
    token_ids = SMILES.encode("".join(tokens))
    assert SMILES.decode(token_ids) == "".join(tokens)
    assert len(token_ids) <= len(tokens) + 2
    first, last = token_ids[0].item(), token_ids[-1].item()
    assert (first, last) == (SMILES.vocab_size - 2, SMILES.vocab_size - 1) == SMILES.silent_ids


def test_a_template_keeps_its_blanks() -> None:
    token_ids = SMILES.encode_template("c1cc_c_1")
    assert SMILES.decode(token_ids) == "c1cc_c_1" and len(token_ids) == 10


def test_a_folder_says_which_atoms_it_knows(tmp_path: object) -> None:
    found = named_vocabulary("smiles", lambda: MOLECULES)
    assert found == SMILES == vocabulary_in(tmp_path, SMILES.to_json())  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="SMILES are stored as"):
        vocabulary_in(tmp_path, {"kind": "smiles", "atoms": "[nH]"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("molecule", "complaint"),
    [
        ("CC[Si]C", r"'\[' at offset 2 is none of the model's 49 symbols"),
        ("CCX", "'X' at offset 2"),
        ("C C", "white space"),
        ("CC%99", "'%' at offset 2"),
        ("C[nH", r"'\[' at offset 1"),
    ],
)
def test_what_it_has_no_token_for_is_refused(molecule: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        SMILES.encode(molecule)


def test_atoms_are_written_in_brackets() -> None:
    with pytest.raises(ConfigError, match="got 'nH'"):
        Smiles(atoms=("nH",))
    with pytest.raises(ConfigError, match="different ones"):
        Smiles(atoms=("[nH]", "[nH]"))
