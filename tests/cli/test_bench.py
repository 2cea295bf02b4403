import json

import pytest
import torch

from tests.cli.command import refused, run
from tests.frontier.small_model import small_model

SMALL = ["bench", "model", "--batch-sizes", "1,3", "--rounds", "1"]


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_model().save(tmp_path / "model")


def test_a_row_for_each_number_of_sequences(capsys):
    assert run(*SMALL) == 0
    shown = capsys.readouterr().out
    assert "trained weights" in shown and "24 tokens" in shown
    header, *rows = [line.split() for line in shown.splitlines()[1:4]]
    assert [row[header.index("batch")] for row in rows] == ["1", "3"]


def test_as_json(capsys):
    assert run(*SMALL, "--json", "--length", "12", "--sampler", "ancestral") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sampler"]["name"] == "ancestral" and found["length"] == 12
    assert [row["num_sequences"] for row in found["rows"]] == [1, 3]
    assert all(row["over_passes"] > 0 and row["tail_seconds"] is None for row in found["rows"])


@pytest.mark.slow
def test_threads_are_tried_and_then_as_before(capsys):
    before = torch.get_num_threads()
    assert run(*SMALL, "--json", "--threads", "1,2", "--batch-sizes", "1") == 0
    assert [row["threads"] for row in json.loads(capsys.readouterr().out)["rows"]] == [1, 2]
    assert torch.get_num_threads() == before


def test_the_network_of_a_recipe(capsys):
    assert run(*SMALL, "--json", "--recipe", "tiny", "--length", "8") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["weights"], found["length"]) == ("tiny", "random", 8)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--batch-sizes", "1,no"], "--batch-sizes takes numbers from 1 on with commas"),
        (["--batch-sizes", "0"], "--batch-sizes takes numbers from 1 on"),
        (["--threads", "0"], "--threads takes numbers from 1 on"),
        (["--rounds", "0"], "rounds must be at least 1, got 0"),
        (["--length", "25"], "the length must be 1 to 24, the longest that the model can take"),
        (["--recipe", "huge"], "there is no recipe 'huge'. Choose one of"),
        (["--recipe", "text8-judge"], "is not of a model that drafts and verifies"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(capsys, flags, message):
    assert message in refused(capsys, *SMALL, *flags)


def test_without_a_compiler_nothing_is_compiled(capsys, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "--compile needs a C++ compiler" in refused(capsys, *SMALL, "--compile")
