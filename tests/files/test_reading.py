"""Bounds on what is read, and what numbers are."""

import gzip
import os
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

from unmask.data.files import read_bytes
from unmask.errors import CheckpointError, DataError, UnmaskError, shown
from unmask.files import json_lines, strict_yaml
from unmask.files.reading import dumps, loads
from unmask.files.tensors import read_json, read_tensors, write_tensors


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10), ("-3", -3), ("010", 10), ("1e3", 1000.0), (".5", 0.5), ("1.5e-3", 0.0015),
        (".inf", float("inf")), ("inf", float("inf")), ("true", True), ("on", "on"), ("~", None),
        ("a: {b: [1, c]}", {"a": {"b": [1, "c"]}}), ("'1:30'", "1:30"), ("i", "i"),
    ],
)  # fmt: skip
def test_yaml_is_read_as_it_is_meant(text, value) -> None:
    assert strict_yaml.load(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "1:30", "1_0", "0x10", "a: 1\na: 2", "{a: 1, a: 2}", "[&x 1, *x]", "!!set {a, b}",
        "!!python/object/apply:os.system [ls]", "!!binary aGk=", "[" * 5000, "a: [", "[1]: 2",
    ],
)  # fmt: skip
def test_yaml_that_could_be_meant_otherwise_is_refused(text) -> None:
    with pytest.raises(yaml.YAMLError):
        strict_yaml.load(text)


def test_json_knows_no_nan() -> None:
    assert dumps({"a": [float("nan"), float("inf"), 1.5]}) == '{"a": [null, null, 1.5]}'
    assert loads('{"a": NaN, "b": -Infinity}') == {"a": None, "b": None}
    for text in ("[" * 10**5, "{", "1 2"):
        with pytest.raises(ValueError):  # noqa: PT011
            loads(text)


@pytest.fixture
def endless(tmp_path: Path) -> dict[str, Path]:
    """Files that never end, or never begin."""
    pipe, link = tmp_path / "pipe.json", tmp_path / "zero.json"
    os.mkfifo(pipe)
    link.symlink_to("/dev/zero")
    return {"pipe": pipe, "device": link, "folder": tmp_path}


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_waited_for(kind, endless) -> None:
    for read, error in ((read_json, CheckpointError), (read_tensors, CheckpointError),
                        (read_bytes, DataError), (json_lines.read, OSError)):  # fmt: skip
        with pytest.raises(error, match="regular file|directory"):
            read(endless[kind])


def test_an_archive_that_holds_too_much_is_not_unpacked(tmp_path: Path) -> None:
    zeros = bytes(2**27)
    with gzip.open(tmp_path / "bomb.gz", "wb") as file:
        file.write(zeros)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text", zeros)
    for name in ("bomb.gz", "bomb.zip"):
        with pytest.raises(DataError, match="unpacks to more than"):
            read_bytes(tmp_path / name)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused(wrong, tmp_path: Path) -> None:
    weights = {"fine": torch.ones(3), "layer.weight": torch.zeros(2, 3)}
    weights["layer.weight"][1, 2] = wrong
    write_tensors(tmp_path / "w.safetensors", weights)
    with pytest.raises(CheckpointError, match="'layer.weight' holds what is no number"):
        read_tensors(tmp_path / "w.safetensors")


def test_what_is_echoed_is_bounded_and_changes_no_terminal() -> None:
    assert shown("a\x1b[31mred\x07 b\x9bc") == "a\\x1b[31mred\\x07 b\\x9bc"
    assert len(shown("x" * 10**6)) < 200 and len(shown("word " * 10**5)) < 2100
    assert shown("half a pair \udce9") == "half a pair \\udce9"
    assert str(UnmaskError("y" * 10**6)) == shown("y" * 10**6)
    for kind in UnmaskError.__subclasses__():
        assert str(kind("\x1b" * 3)) == "\\x1b" * 3
