import json
import shlex

import pytest

from tests.cli.command import refused, run
from tests.frontier.small_model import TINY_WORDS, tiny_model
from unmask.evaluation.words import write_words

SMALL = ["tune", "model", "--num-samples", "16"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A tiny model with its list of words."""
    monkeypatch.chdir(tmp_path)
    tiny_model().save(tmp_path / "model")
    write_words(tmp_path / "model" / "words.xz", TINY_WORDS)
    return tmp_path


def test_the_command_that_is_named_costs_what_was_said(folder, capsys):
    assert run(*SMALL, "--max-nfe", "4", "--order", "spaced", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["goal"] == {"limit": 4.0}
    assert found["numbers"]["nfe"]["value"] <= 4 and found["setting"]["order"] == "spaced"
    assert {"spelling_accuracy", "trunk_passes", "tail_passes", "seconds"} <= set(found["numbers"])
    _, *command = shlex.split(found["command"])
    assert run(*command, "--num-samples", "16", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    mean = sum(line["nfe"] for line in lines) / len(lines)
    assert mean == pytest.approx(found["numbers"]["nfe"]["value"])


def test_what_was_found_is_said_with_its_error(folder, capsys):
    assert run(*SMALL, "--target-quality", "0.3", "--max-seconds", "60") == 0
    shown = capsys.readouterr().out
    for part in ("N=", "dtau=", "spelling accuracy", " ± ", "NFE", "trunk passes", "tail passes"):
        assert part in shown
    assert "on 16 fresh samples, seeds 0 to 15" in shown
    assert "Use it: unmask generate model --sampler.window.dtau" in shown


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "needs one goal: either --max-nfe, such as 24, or --target-quality"),
        (["--max-nfe", "8", "--target-quality", "0.5"], "needs one goal"),
        (["--max-nfe", "0"], "--max-nfe must be above 0, got 0"),
        (["--target-quality", "62"], "above 0 and at most 1; got 62"),
        (["--max-nfe", "0.5"], "no setting makes do with 0.5 NFE; the cheapest that was seen"),
        (["--target-quality", "0.999"], "the best that was seen is N="),
        (["--max-nfe", "8", "--max-seconds", "0"], "max_seconds must be above 0"),
        (["--max-nfe", "8", "--num-samples", "4"], "at least 16, got 4"),
        (["--max-nfe", "8", "--words", "nowhere.xz"], "nowhere.xz does not exist"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(folder, capsys, flags, message):
    assert message in refused(capsys, *SMALL, *flags)
