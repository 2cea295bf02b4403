"""`unmask train-policy`, and generating and evaluating with what it trained."""

import json

import pytest

from tests.cli.command import refused, run
from tests.frontier.small_model import small_model
from unmask.evaluation.words import write_words
from unmask.files.model_folder import POLICY_FOLDER

QUICK = [
    "--trainer.num-steps=2",
    "--trainer.group-size=2",
    "--trainer.length=12",
    "--policy.width=8",
    "--policy.num-heads=1",
]


@pytest.fixture
def model(tmp_path):
    """A small model with its list of words."""
    small_model().save(tmp_path / "model")
    write_words(tmp_path / "model" / "words.xz", {"a", "i", "of", "the"})
    return tmp_path / "model"


def samples(capsys, model, *options):
    """Token ids by seed: lines come in the order in which sequences finish."""
    capsys.readouterr()
    learned = ["--sampler", "learned-policy", "--num-samples", "2", "--json", *options]
    assert run("generate", str(model), *learned) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line["seed"]: line["token_ids"] for line in lines}


def test_a_policy_is_trained_gone_on_with_and_used(model, capsys, tmp_path):
    out = str(model / POLICY_FOLDER)
    command = ["train-policy", str(model), "--out", out, *QUICK]
    assert run(*command) == 0
    assert f"--sampler learned-policy --sampler.policy {out}" in capsys.readouterr().out
    assert "already holds a run" in refused(capsys, *command)
    assert run(*command, "--trainer.num-steps=3", "--resume=auto") == 0
    assert "resuming" in (said := capsys.readouterr()).err and "step 3 of 3" in said.out

    own = samples(capsys, model)
    assert own == samples(capsys, model, f"--sampler.policy={out}")
    assert own == samples(capsys, model, "--sampler.policy", "own", "--batch-size", "1")
    assert own != samples(capsys, model, "--sampler.boldness", "0")

    report = ["--samplers", "learned-policy", "--budgets", "4", "--num-samples", "16"]
    assert run("evaluate", str(model), *report, "--out", str(tmp_path / "report")) == 0
    assert "| learned-policy |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--out is missing: name a folder"),
        (["--out=OUT", "--trainer.alpha=-1"], "alpha must be a number of at least 0"),
        (["--out=OUT", "--trainer.length=25"], "length must be at most 24"),
        (["--out=OUT", "--policy.initial-rate=2"], "initial_rate must lie between 0 and 1"),
        (["--out=OUT", "--words=none.xz"], "none.xz does not exist"),
        (["--out=MODEL", "--trainer.length=12"], "is not empty"),
    ],
    ids=str,
)
def test_a_mistake_is_answered_with_one_sentence(arguments, message, model, capsys, tmp_path):
    places = {"OUT": str(tmp_path / "run"), "MODEL": str(model)}
    for name, place in places.items():
        arguments = [a.replace(name, place) for a in arguments]
    assert message in refused(capsys, "train-policy", str(model), *arguments)
    assert not (tmp_path / "run").exists()


def test_a_model_without_a_policy_says_so(model, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sampler = ["--sampler", "learned-policy"]
    assert "has no policy of its own" in refused(capsys, "generate", str(model), *sampler)
    elsewhere = [*sampler, "--sampler.policy", "nowhere"]
    assert "config.json cannot be read" in refused(capsys, "generate", str(model), *elsewhere)
    report = ["evaluate", str(model), "--samplers", "learned-policy", "--budgets", "4"]
    assert "has no policy of its own" in refused(capsys, *report, "--num-samples", "16")
    assert not (tmp_path / "report").exists()
