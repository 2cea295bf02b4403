"""The nearest sequence of a file, by pyhmmer."""

import csv
import random
from pathlib import Path

import pytest

from tests.cli.command import refused, run
from tests.esm.tiny import tiny_adapted
from unmask.errors import DataError
from unmask.models.lengths import Lengths
from unmask.models.text import TextModel
from unmask.proteins.nearest import Database, Nearest
from unmask.vocabularies.residues import AMINO_ACIDS, Residues

pytest.importorskip("pyhmmer")


def protein(seed: int, length: int = 90) -> str:
    return "".join(random.Random(seed).choices(AMINO_ACIDS, k=length))


@pytest.fixture
def known(tmp_path: Path) -> Path:
    path = tmp_path / "known.fasta"
    path.write_text("".join(f">p{n} of nothing\n{protein(n)}\n" for n in range(30)))
    return path


def test_a_sequence_is_nearest_to_itself_and_then_to_what_it_was_made_of(known: Path) -> None:
    changed = list(protein(4))
    for place in range(5, 85, 8):  # ten of ninety
        changed[place] = "W" if changed[place] != "W" else "A"
    part = protein(7)[20:80]
    found = list(Database(known).nearest([protein(3), "".join(changed), part, protein(99)]))
    assert found[0] == Nearest("p3", 1.0)
    assert found[1].name == "p4" and found[1].identity == pytest.approx(80 / 90)
    assert found[2] == Nearest("p7", 1.0)
    assert found[3].identity < 0.4


def test_a_file_without_proteins_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no proteins")
    with pytest.raises(DataError, match="has no sequences to compare with"):
        Database(tmp_path / "a.txt")
    (tmp_path / "b.fasta").write_text(">a\nMK1TA\n")
    with pytest.raises(DataError, match="record 1.*is no protein"):
        Database(tmp_path / "b.fasta")


def test_designs_are_written_and_scored(known: Path, tmp_path: Path, capsys) -> None:
    TextModel(tiny_adapted(), Residues(), "tiny", Lengths({20: 1})).save(tmp_path / "model")
    named, designs = str(tmp_path / "model"), tmp_path / "designs.fasta"
    some = ("generate", named, "--length", "18-25", "--num-samples", "5")
    assert run(*some, "--output", str(designs)) == 0
    lines = designs.read_text().splitlines()
    assert sorted(_seeds(lines)) == [0, 1, 2, 3, 4]
    for head, text in zip(lines[0::2], lines[1::2], strict=True):
        assert f" length={len(text)} nfe=" in head and 18 <= len(text) <= 25
    again = run("generate", named, "--length", "18-25", "--num-samples", "1", "--seed", "3")
    assert again == 0 and lines[2 * _seeds(lines).index(3) + 1] in capsys.readouterr().out

    scores = tmp_path / "scores.csv"
    asked = ("score", named, str(designs), "--output", str(scores), "--nearest-in", str(known))
    assert run(*asked) == 0
    with scores.open() as table:
        rows = list(csv.DictReader(table))
    assert set(rows[0]) == {
        "name", "sequence", "length", "bits_per_token", "nearest", "identity"
    }  # fmt: skip
    assert [row["sequence"] for row in rows] == lines[1::2]
    assert all(0 <= float(row["identity"]) <= 1 for row in rows)
    said = refused(capsys, "score", named, str(designs), "--nearest-in", str(known))
    assert "--nearest-in adds columns to the table of --output" in said


def _seeds(lines: list[str]) -> list[int]:
    return [int(line.split()[0].removeprefix(">seed")) for line in lines[0::2]]
