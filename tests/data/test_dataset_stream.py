"""Datasets as streams: read on from a position, prepared as files are. Local files, no network."""

import json
from pathlib import Path

import pytest

from tests.cli.command import refused
from tests.data.test_prepared import PAIRS, everything
from unmask.data import prepared
from unmask.data.dataset_stream import DatasetStream, is_stream
from unmask.data.prepared import PARTS, Sources, prepare
from unmask.errors import ConfigError, DataError
from unmask.vocabularies.residues import Residues

pytest.importorskip("datasets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset of three files of a hundred rows each."""
    made = tmp_path / "rows"
    made.mkdir()
    for part in range(3):
        rows = [
            {
                "text": f"The {n}th winter\nof {n * 37} in file {part}.",
                "Sequence": "MK" + "GA" * (n % 7),
            }
            for n in range(100)
        ]
        (made / f"{part}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return made


def test_a_stream_goes_on_from_its_position(folder: Path) -> None:
    whole = [text for text, _ in DatasetStream(f"datasets:{folder}", "text").texts()]
    assert len(whole) == 300 and whole[0].startswith(b"The 0th winter")
    for number in (1, 99, 100, 101, 250):
        first = DatasetStream(f"datasets:{folder}", "text")
        begun = first.texts()
        assert [next(begun)[0] for _ in range(number)] == whole[:number]
        again = DatasetStream(f"datasets:{folder}:train", "text")
        again.go_to(json.loads(json.dumps(first.position)))
        assert [text for text, _ in again.texts()] == whole[number:]


def test_a_dataset_is_prepared_as_its_rows_would_be(folder, tmp_path, monkeypatch) -> None:
    """And cut short after any piece, to the same bytes."""
    source = Sources(files=[f"datasets:{folder}"], column="text")
    ready = prepare(source, tmp_path / "whole", lambda: PAIRS)
    lines = [line for n in range(3) for line in (folder / f"{n}.jsonl").read_text().splitlines()]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    as_file = prepare(Sources(files=[tmp_path / "rows.jsonl"]), tmp_path / "file", lambda: PAIRS)
    assert ready.parts == as_file.parts and ready.kind == "text"

    monkeypatch.setattr(prepared, "_PIECE", 1000)
    for stop in (1, 2, 5):
        out, seen = tmp_path / f"cut{stop}", 0

        def observe(num_bytes: int, stop: int = stop) -> None:
            nonlocal seen
            seen += num_bytes > 0
            if seen > stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare(source, out, lambda: PAIRS, observe=observe)
        read = list[int]()
        prepare(source, out, lambda: PAIRS, observe=read.append)
        assert read[0] >= 1000 * stop  # what was done is not read again
        assert prepare_sums(out) == prepare_sums(tmp_path / "whole")


def prepare_sums(folder: Path) -> list[bytes]:
    return [everything(folder)[f"{part}.safetensors"] for part in PARTS]


def test_a_column_of_sequences_is_records(folder: Path, tmp_path: Path) -> None:
    source = Sources(files=[f"datasets:{folder}"], column="sequence")
    assert source.usual_vocabulary() == "residues"
    ready = prepare(source, tmp_path / "out", Residues)
    assert ready.kind == "sequences"
    assert sum(size.num_records for size in ready.parts.values()) == 300
    # The first column that is known is taken where none is named: sequences before texts.
    assert DatasetStream(f"datasets:{folder}").column == "Sequence"


def test_no_more_is_read_than_was_asked_for(folder: Path, tmp_path: Path) -> None:
    source = Sources(files=[f"datasets:{folder}"], column="text", most_bytes=900)
    ready = prepare(source, tmp_path / "out", lambda: PAIRS)
    num_rows = sum(size.num_records for size in ready.parts.values())
    assert 25 < num_rows < 40
    (tmp_path / "a.txt").write_text("abc " * 1000)
    with pytest.raises(ConfigError, match="a dataset is prepared alone"):
        Sources(files=[f"datasets:{folder}", tmp_path / "a.txt"])


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("datasets:", "", "names no dataset"),
        ("datasets:FOLDER:a:b:c", "", "names no dataset"),
        ("datasets:FOLDER:valid", "", "cannot be opened.*Bad split"),
        ("datasets:FOLDER", "title", "has no column title; it has text, Sequence"),
        ("datasets:/no/such/folder", "", "cannot be opened"),
    ],
)
def test_what_cannot_be_streamed_is_refused(name, column, message, folder, capsys) -> None:
    name = name.replace("FOLDER", str(folder))
    with pytest.raises((ConfigError, DataError), match=message):
        DatasetStream(name, column)
    options = ["--column", column] if column else []
    out = folder / "out"
    refused(capsys, "data", "prepare", name, "--out", str(out), *options)
    assert not out.exists()
    assert is_stream(name) and not is_stream(folder)


def test_rows_without_a_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "abc"}\n{"text": null}\n')
    with pytest.raises(DataError, match="row 2 .*column text holds NoneType, no text"):
        list(DatasetStream(f"datasets:{tmp_path}").texts())
