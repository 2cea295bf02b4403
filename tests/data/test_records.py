import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.data.records import Record, fasta, read_clusters, read_records
from unmask.errors import DataError


def records(path: Path, column: str = "") -> list[Record]:
    found = read_records(path, column=column)
    assert found is not None
    return list(found.each)


def test_fasta_has_headers_and_sequences_over_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.fasta.gz"
    path.write_bytes(gzip.compress(b">sp|P1|X one two\nMKt\nL-L.\n\n>P2\r\nJJ*\r\n"))
    first, second = records(path)
    assert (first.name, first.id, first.text) == ("sp|P1|X one two", "sp|P1|X", b"MKTLL")
    assert (second.id, second.text) == ("P2", b"XX")
    found = read_records(path)
    assert found is not None and found.usual_vocabulary == "residues"


@given(
    st.lists(st.tuples(st.text("abc |=>", max_size=9), st.text("ACDX", min_size=1)), min_size=1),
    st.integers(1, 7),
)
def test_fasta_comes_back_however_its_lines_are_cut(
    written: list[tuple[str, str]], width: int
) -> None:
    lines = []
    for name, text in written:
        lines += [f">{name}", *(text[n : n + width] for n in range(0, len(text), width))]
    found = list(fasta("\n".join(lines).encode(), "x"))
    assert [(each.name, each.text.decode()) for each in found] == [
        (name.strip(), text) for name, text in written
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\n>a\nMK\n>b\n>c\nMK", r"record 2 \(line 4, 'b'\) has no sequence"),
        (b">a\nMK\n>b\n*\n", r"record 2 \(line 3, 'b'\) has no sequence"),
        (b"MKT\n>a\nMK", "line 1: a sequence without a header"),
        (b">a\n\0\1\2", "bytes that no text has"),
    ],
)
def test_a_broken_fasta_is_refused_by_record(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "a.fasta"
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        records(path)


def test_a_table_is_read_by_its_column(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text('logP,SMILES,name\n1,CCO,"a, b"\n\n2, c1ccccc1 ,b\n')
    assert [each.text for each in records(path)] == [b"CCO", b"c1ccccc1"]
    assert [each.text for each in records(path, column="name")] == [b"a, b", b"b"]
    assert records(path)[1].where == f"{path}, line 4"
    with pytest.raises(DataError, match="has no column what: its first line names 'logP', 'SMIL"):
        records(path, column="what")
    path.write_text("SMILES,name\nCCO,x\n,y\n")
    with pytest.raises(DataError, match="line 3 has nothing under 'SMILES'"):
        records(path)
    path.write_bytes(b"SMILES\n\xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        records(path)


def test_molecules_by_line_may_have_names(tmp_path: Path) -> None:
    path = tmp_path / "m.smi"
    path.write_text("CCO ethanol\n\nc1ccccc1\tbenzene ring\nC\n")
    found = [(each.text, each.name) for each in records(path)]
    assert found == [(b"CCO", "ethanol"), (b"c1ccccc1", "benzene ring"), (b"C", "")]


def test_a_text_has_no_records(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("once upon a time")
    assert read_records(path) is None
    path.write_text("> so it began, she said:\n> once upon a time.\n")
    assert read_records(path) is None
    path.write_text(">P1\nMKT\n>P2\nMKV\n")
    assert read_records(path) is not None
    path.write_text("once upon a time")
    with pytest.raises(DataError, match="is no table"):
        read_records(path, column="smiles")


def test_clusters_have_two_columns(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("A\tA\nA\tB\n")
    assert read_clusters(path) == {"A": "A", "B": "A"}
    path.write_text("A\tA\nA B\n")
    with pytest.raises(DataError, match="line 2 must name"):
        read_clusters(path)
