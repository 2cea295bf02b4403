"""The examples, run one after the other as they stand, in a folder of their own."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


SLOW = {"evaluate": pytest.mark.slow}  # half a minute


@pytest.mark.parametrize(
    "file", [pytest.param(file, marks=SLOW.get(file.stem, ()), id=file.stem) for file in EXAMPLES]
)
def test_an_example_runs_and_says_something(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(file))
    assert capsys.readouterr().out.strip()


def test_there_is_an_example_for_every_task():
    tasks = {"generate", "prompt", "infill", "score", "chat", "train", "adapt", "evaluate"}
    assert {file.stem for file in EXAMPLES} == tasks
    assert all(len(file.read_text().splitlines()) <= 40 for file in EXAMPLES)
