import json
from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.data import prepared
from unmask.data.prepared import Sources, open_prepared, prepare
from unmask.data.sequences import PARTS, part_of
from unmask.errors import DataError, OutputError
from unmask.vocabularies.byte_pairs import learn_byte_pairs
from unmask.vocabularies.raw_bytes import Bytes
from unmask.vocabularies.residues import Residues

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
PAIRS = learn_byte_pairs([f"The {n}th winter of {n * 37}.\n" for n in range(300)], 300)


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "a.fasta"
    rows = [
        f">p{n} x\n{LETTERS[n % 20] * (3 + n % 7)}{LETTERS[n // 20 % 20]}\n" for n in range(400)
    ]
    path.write_text("".join(rows))
    return path


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": f"The {n}th winter\nof {n * 37}."}) for n in range(300)]
    path.write_text("\n".join(lines))
    return path


def everything(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".unmask.lock"}


def test_records_are_split_and_come_back(fasta: Path, tmp_path: Path) -> None:
    ready = prepare(Sources(files=[fasta]), tmp_path / "out", Residues)
    assert ready.kind == "sequences" and open_prepared(tmp_path / "out").parts == ready.parts
    found = ready.sequences()
    assert sum(size.num_records for size in ready.parts.values()) == 400
    for part in PARTS:
        rows = getattr(found, part)
        written = {Residues().decode(rows[n]) for n in range(len(rows))}
        assert all(part_of(text.encode()) == part for text in written)
    assert set(everything(tmp_path / "out")) == {"data.json", *(f"{p}.safetensors" for p in PARTS)}
    ready.check()
    with pytest.raises(DataError, match="holds sequences, and text is wanted"):
        ready.corpus()


def test_documents_end_with_the_separator(texts: Path, tmp_path: Path) -> None:
    ready = prepare(Sources(files=[texts]), tmp_path / "out", lambda: PAIRS)
    corpus, separator = ready.corpus(), PAIRS.separator_id
    assert ready.vocabulary == PAIRS and separator is not None
    ids = corpus.train.numpy().astype(np.int64)
    ends = np.flatnonzero(ids == separator)
    assert len(ends) == ready.parts["train"].num_records and ends[-1] == len(ids) - 1
    assert PAIRS.decode(torch.from_numpy(ids[: ends[0]])).endswith(".")
    assert 10 < ready.parts["valid"].num_records + ready.parts["test"].num_records < 60


def test_a_file_that_is_one_document_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("naïve café " * 999)
    corpus = prepare(Sources(files=[path]), tmp_path / "out", Bytes).corpus()
    whole = torch.cat([corpus.train, corpus.valid, corpus.test]).numpy().tobytes()
    assert whole == path.read_bytes().strip() or whole == path.read_bytes()
    assert len(corpus.valid) == pytest.approx(len(whole) / 20, abs=20)
    for part in (corpus.train, corpus.valid, corpus.test):
        part.numpy().tobytes().decode()  # no character is cut


def test_a_cluster_is_in_one_part(fasta: Path, tmp_path: Path) -> None:
    clusters, valid = tmp_path / "c.tsv", tmp_path / "v.fasta"
    clusters.write_text("".join(f"p{n // 4 * 4}\tp{n}\n" for n in range(400)))
    valid.write_text(">p1\nAAAY\n>q\nCCCY\n")
    ready = prepare(
        Sources(files=[fasta], of_part={"valid": [valid]}, clusters=clusters),
        tmp_path / "out",
        Residues,
    )
    sizes = {part: size.num_records for part, size in ready.parts.items()}
    assert sizes == {"train": 396, "valid": 2, "test": 0}  # p0 to p3 are alike
    drawn = prepare(Sources(files=[fasta], clusters=clusters), tmp_path / "drawn", Residues)
    assert all(size.num_records % 4 == 0 for size in drawn.parts.values())


class Stop(Exception):
    pass


def test_what_was_cut_short_goes_on_to_the_same_files(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "_PIECE", 1500)
    sources = Sources(files=[texts])
    whole = prepare(sources, tmp_path / "whole", lambda: PAIRS)
    calls = 0

    def stop_after(most: int) -> None:
        nonlocal calls

        def observe(num_bytes: int) -> None:
            nonlocal calls
            calls += 1
            if calls >= most:
                raise Stop

        calls = 0
        prepare(sources, tmp_path / "out", lambda: PAIRS, observe=observe)

    with pytest.raises(Stop):
        stop_after(2)
    with pytest.raises(DataError, match="not made ready to its end"):
        open_prepared(tmp_path / "out")
    note = json.loads((tmp_path / "out" / "progress.json").read_text())
    assert note["num_shards"] == 2
    with pytest.raises(Stop):  # those that are done are told of one by one
        stop_after(note["num_items"] + 1)
    again = prepare(sources, tmp_path / "out", lambda: pytest.fail("there is one"))
    assert again.parts == whole.parts
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


def test_a_process_that_was_killed_leaves_nothing_in_the_way(fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".train.safetensors.123.unmask-partial").write_bytes(b"half")
    (out / ".unmask.lock").write_text("123")
    prepare(Sources(files=[fasta]), out, Residues)
    names = {path.name for path in out.iterdir()}
    assert names == {".unmask.lock", "data.json", *(f"{part}.safetensors" for part in PARTS)}


def test_a_run_that_ended_before_its_first_note_of_shards_goes_on(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path, tensors: object) -> None:
        path.touch()
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(prepared, "write_tensors", stop)
        with pytest.raises(Stop):
            prepare(Sources(files=[fasta]), tmp_path / "out", Residues)
    assert (tmp_path / "out" / "train-00000.safetensors").exists()
    prepare(Sources(files=[fasta]), tmp_path / "out", Residues).check()


def test_other_files_are_not_mixed_in(fasta: Path, texts: Path, tmp_path: Path) -> None:
    def stop(num_bytes: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        prepare(Sources(files=[fasta]), tmp_path / "out", Residues, observe=stop)
    with pytest.raises(OutputError, match="half ready, of other files"):
        prepare(Sources(files=[texts]), tmp_path / "out", lambda: PAIRS)
    prepare(Sources(files=[fasta]), tmp_path / "out", Residues)
    with pytest.raises(OutputError, match="holds data that is ready"):
        prepare(Sources(files=[fasta]), tmp_path / "out", Residues)
    with pytest.raises(OutputError, match="is not empty"):
        prepare(Sources(files=[fasta]), tmp_path, Residues)
    with pytest.raises(DataError, match="is a text, and others are records"):
        prepare(Sources(files=[fasta, texts]), tmp_path / "both", Residues)


def test_bad_data_leaves_nothing_behind(fasta: Path, tmp_path: Path) -> None:
    fasta.write_text(fasta.read_text() + ">bad\nAC1\n")
    with pytest.raises(DataError, match=r"record 401 \(line 801, 'bad'\): '1' at offset 2"):
        prepare(Sources(files=[fasta]), tmp_path / "out", Residues)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["train.safetensors", "data.json"])
def test_what_was_damaged_since_is_refused(name: str, fasta: Path, tmp_path: Path) -> None:
    ready = prepare(Sources(files=[fasta]), tmp_path / "out", Residues)
    path = ready.folder / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="checksum|does not say"):
        open_prepared(ready.folder).check()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="whole safetensors|does not say"):
        open_prepared(ready.folder).sequences()


def test_ids_that_the_vocabulary_has_not_are_refused(fasta: Path, tmp_path: Path) -> None:
    ready = prepare(Sources(files=[fasta]), tmp_path / "out", Residues)
    path = ready.folder / "train.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] = 200
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not what data.json says"):
        open_prepared(ready.folder).sequences()
