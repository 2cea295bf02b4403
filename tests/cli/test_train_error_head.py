"""`unmask train-error-head`, and star-shaped sampling with what it trained."""

import json
from pathlib import Path

import pytest
import torch

from tests.cli.command import refused, run
from tests.frontier.small_model import small_model
from unmask.draws import SeededDraws

QUICK = [
    "--trainer.num-steps=2",
    "--trainer.batch-size=2",
    "--trainer.num-valid=2",
    "--optimizer.warmup-steps=1",
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """4,000 letters and spaces."""
    path = tmp_path / "text"
    uniform = SeededDraws([5]).uniform(torch.ones(1, 4000, dtype=torch.bool))[0]
    path.write_text("".join(" abcdefghijklmnopqrstuvwxyz"[int(u * 27)] for u in uniform))
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    small_model().save(tmp_path / "model")
    return tmp_path / "model"


def samples(capsys: pytest.CaptureFixture, model: Path, *options: str) -> list[dict]:
    capsys.readouterr()
    star = ["--sampler", "star-shaped", "--sampler.num-steps", "6", *options]
    assert run("generate", str(model), "--num-samples", "2", "--json", *star) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_head_is_trained_gone_on_with_and_used(model: Path, text: Path, capsys) -> None:
    out = str(model / "error_head")
    command = ["train-error-head", str(model), "--data", str(text), "--out", out, *QUICK]
    assert run(*command) == 0
    said = capsys.readouterr().out
    assert (
        "AUC 0." in said and "step 2 of 2" in said and f"--sampler.error-predictor {out}" in said
    )
    assert "already holds a run" in refused(capsys, *command)
    assert run(*command, "--trainer.num-steps=3", "--resume=auto") == 0
    assert "resuming" in (said := capsys.readouterr()).err and "step 3 of 3" in said.out

    by_rule = samples(capsys, model)
    own = samples(capsys, model, "--sampler.error-predictor", "own")
    named = samples(capsys, model, f"--sampler.error-predictor={out}")
    assert [s["token_ids"] for s in own] == [s["token_ids"] for s in named]
    # Star-shaped steps at 3/6, 2/6 and 1/6 of the time; the last masks nothing again.
    extra = [a["trunk_passes"] - b["trunk_passes"] for a, b in zip(own, by_rule, strict=True)]
    assert extra == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["MODEL", "--out=OUT"], "--data is missing: name a text to train on"),
        (["MODEL", "--data=TEXT"], "--out is missing: name a folder"),
        (["MODEL", "--data=nowhere.txt", "--out=OUT"], "there is no file nowhere.txt"),
        (["MODEL", "--data=TEXT", "--out=MODEL"], "holds no run, and is not empty"),
        (["MODEL", "--data=TEXT", "--out=MODEL", "--resume=auto"], "an error head has"),
        (["MODEL", "--data=TEXT", "--out=TEXT"], "is a file"),
        (["nonesuch", "--data=TEXT", "--out=OUT"], "there is no model 'nonesuch'"),
        (["MODEL", "--data=TEXT", "--out=OUT", "--trainer.num-steps=0"], "at least 1, got 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_with_one_sentence_and_status_2(
    arguments: list[str], complaint: str, model: Path, text: Path, tmp_path: Path, capsys
) -> None:
    before = sorted(path.name for path in model.iterdir())
    places = {"MODEL": str(model), "TEXT": str(text), "OUT": str(tmp_path / "out")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    assert complaint in refused(capsys, "train-error-head", *arguments)
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in model.iterdir()) == before


def test_a_model_without_a_head_of_its_own_says_so(model: Path, capsys) -> None:
    star = ["--sampler", "star-shaped", "--sampler.error-predictor", "own"]
    assert "has no error_head of its own" in refused(capsys, "generate", str(model), *star)
