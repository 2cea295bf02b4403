import json
import math
import re
from dataclasses import replace

import pytest

from tests.cli.command import refused, run
from tests.frontier.small_model import CONFIG, small_model
from unmask.evaluation.words import read_words, write_words
from unmask.models.text import TextModel
from unmask.network.hybrid import HybridTransformer
from unmask.vocabularies.characters import Characters, text8

TEXT = "a tale of one or two of whom the end was near and far away " * 200


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small model with its list of words, and a text."""
    monkeypatch.chdir(tmp_path)
    small_model().save(tmp_path / "model")
    write_words(tmp_path / "model" / "words.xz", {"a", "i", "of", "the"})
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path


SMALL = ["--budgets", "4,8", "--samplers", "ancestral,dilated", "--num-samples", "16"]


def test_a_report_is_made_resumed_and_enlarged(folder, capsys):
    assert run("evaluate", "model", *SMALL, "--data", "text.txt") == 0
    shown = capsys.readouterr().out
    assert "| ancestral |" in shown and "held-out text" in shown and "report in report" in shown
    files = {file.name for file in (folder / "report").iterdir()}
    assert {"report.json", "report.md", "trace.html", "quality_nfe.png"} <= files
    before = (folder / "report" / "points" / "ancestral@4.json").stat().st_mtime_ns
    assert run("evaluate", "model", *SMALL, "--budgets", "4,8,12", "--resume") == 0
    assert (folder / "report" / "points" / "ancestral@4.json").stat().st_mtime_ns == before
    report = json.loads((folder / "report" / "report.json").read_text())
    assert {p["budget"] for p in report["points"]} == {4, 8, 12}


EXACT = ["--data", "text.txt", "--exact-sequences", "2", "--chain-order", "1"]


def test_exact_quality_is_computed_once_and_told(folder, capsys):
    asked = ["evaluate", "model", *SMALL, "--samplers", "fixed-partition,maskgit", *EXACT]
    asked += ["--budgets", "8", "--chain-length", "8"]
    assert run(*asked) == 0
    shown = capsys.readouterr().out
    assert "## Exact quality" in shown and "| maskgit | | not tractable |" in shown
    kept = folder / "report" / "exact" / "fixed-partition@8.json"
    before, first = kept.stat().st_mtime_ns, (folder / "report" / "report.json").read_text()
    assert run(*asked, "--resume") == 0
    assert kept.stat().st_mtime_ns == before
    assert (folder / "report" / "report.json").read_text() == first
    assert (folder / "report" / "exact_bits.svg").exists()
    capsys.readouterr()
    other = refused(capsys, *asked, "--resume", "--chain-length", "9")
    assert "its chain_length is 8, this one's 9" in other


def test_words_of_a_text(folder, capsys):
    assert run("words", "text.txt", "--out", "list.xz") == 0
    assert "words of 10,620 characters in list.xz" in capsys.readouterr().out
    assert read_words(folder / "list.xz") >= {"tale", "whom", "near"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--samplers", "magic"], "no sampler 'magic' to evaluate. Choose from: self-speculative"),
        (["--samplers", "ancestral@nowhere"], "there is no model 'nowhere'"),
        (["--budgets", "0.5"], "at least 1; got 0.5"),
        (["--budgets", "many"], "--budgets must be numbers"),
        (["--num-samples", "4"], "at least 16, got 4"),
        (["--samplers", "ancestral,ancestral"], "each once"),
        (["--words", "nowhere.xz"], "nowhere.xz does not exist"),
        (["--words", "text.txt"], "not a list of words"),
        (["--judge", "model"], "a judge has no trunk blocks"),
        (["--data", "nowhere.txt"], "nowhere.txt"),
        (["--out", "model"], "is no report"),
        (["--exact-sequences", "2"], "--exact-sequences needs text: name it with --data"),
        ([*EXACT, "--exact-sequences", "1"], "at least 2, got 1"),
        ([*EXACT, "--chain-order", "7"], "--chain-order must be 1, 2 or 3, got 7"),
        (EXACT, "--chain-length must be at most 24"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(folder, capsys, flags, message):
    assert message in refused(capsys, "evaluate", "model", *SMALL, *flags)


@pytest.mark.parametrize(
    ("change", "vocabulary", "message"),
    [
        ({"length": 12}, text8(), "reads up to 12 tokens of .*, model writes 24 of"),
        (
            {},
            Characters(alphabet="abcdefghijklmnopqrstuvwxyz "),
            "of .*'abc.*of .*' abc.*can read all",
        ),
    ],
    ids=["short", "other letters"],
)
def test_a_judge_that_cannot_read_the_samples_is_refused(
    folder, capsys, change, vocabulary, message
):
    config = replace(CONFIG, num_trunk_blocks=0, num_tail_blocks=1, **change)
    TextModel(HybridTransformer(config), vocabulary, "judge").save(folder / "judge")
    assert re.search(message, refused(capsys, "evaluate", "model", *SMALL, "--judge", "judge"))


@pytest.mark.parametrize("can_read", [True, False])
def test_the_judge_that_ships_scores_what_it_can_read(folder, capsys, can_read):
    if not can_read:
        vocabulary = Characters(alphabet="abcdefghijklmnopqrstuvwxyz ")
        TextModel(HybridTransformer(CONFIG), vocabulary, "model").save(folder / "model")
        write_words(folder / "model" / "words.xz", {"a"})
    assert run("evaluate", "model", *SMALL, "--budgets", "8") == 0
    assert ("| judge, bits |" in capsys.readouterr().out) == can_read


def test_a_judge_scores_the_samples_also_of_a_report_that_had_none(folder, capsys):
    config = replace(CONFIG, num_trunk_blocks=0, num_tail_blocks=1)
    TextModel(HybridTransformer(config), text8(), "judge").save(folder / "judge")
    assert run("evaluate", "model", *SMALL, "--judge", "none") == 0
    shown = capsys.readouterr().out
    assert "| judge, bits |" not in shown and "(judge_nfe.png)" not in shown
    kept = folder / "report" / "points" / "ancestral@4.json"
    before = json.loads(kept.read_text())
    judged = [*SMALL, "--judge", "judge", "--resume", "--data", "text.txt"]
    assert run("evaluate", "model", *judged) == 0
    shown = capsys.readouterr().out
    assert "| judge, bits |" in shown and "(judge_nfe.png)" in shown
    assert (folder / "report" / "judge_nfe.png").exists()
    report = json.loads((folder / "report" / "report.json").read_text())
    # A judge that was never trained expects every letter alike.
    assert report["held_out"]["judge_bits"]["value"] == pytest.approx(math.log2(27), abs=0.1)
    after = json.loads(kept.read_text())
    assert set(after.pop("judge_units")) == {24.0}
    assert len(after.pop("judge_bits")) == 16 and after == before
    other = refused(capsys, "evaluate", "model", *SMALL, "--judge", "none", "--resume")
    assert "its judge is" in other


def test_a_report_is_neither_overwritten_nor_mixed(folder, capsys):
    assert run("evaluate", "model", *SMALL) == 0
    capsys.readouterr()
    assert "already holds a report" in refused(capsys, "evaluate", "model", *SMALL)
    other = ["evaluate", "model", *SMALL, "--seed", "9", "--resume"]
    assert "its seed is 0, this one's 9" in refused(capsys, *other)
