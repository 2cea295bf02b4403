import json

import pytest

from tests.cli.command import refused, run
from tests.frontier.small_model import TINY_WORDS, tiny_model
from unmask.evaluation.words import write_words

SMALL = ["reproduce", "text8", "--model", "model", "--num-samples", "16"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A tiny model with its list of words."""
    monkeypatch.chdir(tmp_path)
    tiny_model().save(tmp_path / "model")
    write_words(tmp_path / "model" / "words.xz", TINY_WORDS)
    return tmp_path


def test_the_papers_figures_stand_beside_ours(folder, capsys):
    assert run(*SMALL, "--scale", "paper", "--out", "ours") == 0
    shown = capsys.readouterr().out
    assert "| | paper | ours | difference |" in shown and "reproduction in ours" in shown
    assert "| N=10 dtau=0.083: spelling accuracy | 0.87 |" in shown
    compared = json.loads((folder / "ours" / "reproduction.json").read_text())
    assert compared["experiment"] == "text8" and compared["model"] == "model"
    assert "already holds a report" in refused(capsys, *SMALL, "--out", "ours")
    assert run(*SMALL, "--out", "ours", "--resume") == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["owt"], "no experiment 'owt' to reproduce. Choose from: text8."),
        (["text8", "--scale", "paper"], "`unmask train text8-paper --data text8.zip --out DIR`"),
        (["text8", "--scale", "huge"], "--scale"),
        (["text8", "--model", "nowhere"], "no model 'nowhere'"),
        (["text8", "--model", "model", "--baseline", "nowhere"], "no model 'nowhere'"),
        (["text8", "--num-samples", "2"], "at least 16, got 2"),
        (["text8", "--model", "model", "--words", "nowhere.xz"], "nowhere.xz does not exist"),
        (["text8", "--model", "model", "--out", "model"], "is no report"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(folder, capsys, flags, message):
    assert message in refused(capsys, "reproduce", *flags)


def test_nothing_is_written_where_the_model_is_missing(folder, capsys):
    refused(capsys, "reproduce", "text8", "--scale", "paper", "--out", "ours")
    assert not (folder / "ours").exists()
