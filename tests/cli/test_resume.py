"""A run goes on as itself, by one process at a time, and never past what is no number."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import unmask
from tests.cli.test_train import SMALL, call, only_sentence
from tests.cli.test_train import text as text  # a fixture
from tests.training.small_run import assert_same_tensors, saved_tensors
from unmask.recipes.recipe import preset
from unmask.training.state import whole_checkpoints

EVERY_STEP = ["--trainer.checkpoint-every=1", "--trainer.log-every=1"]


@pytest.fixture
def run(text: Path, tmp_path: Path) -> Path:
    """The folder of a run of three steps, with settings that are not the recipe's."""
    options = [*SMALL, *EVERY_STEP, "--optimizer.lr=0.003", "--trainer.seed=5"]
    assert call("tiny", "--data", text, "--out", tmp_path / "run", *options,
                "--trainer.num-steps=3") == 0  # fmt: skip
    return tmp_path / "run"


def test_a_run_goes_on_as_it_was_begun_whatever_is_left_out(run, text, tmp_path) -> None:
    assert call("tiny", "--out", run, "--resume=auto", "--trainer.num-steps=5") == 0
    options = [*SMALL, *EVERY_STEP, "--optimizer.lr=0.003", "--trainer.seed=5"]
    again = ["tiny", "--data", text, "--out", tmp_path / "b", *options]
    # The cosine ends with num_steps: the same course is one of three steps, gone on with to five.
    assert call(*again, "--trainer.num-steps=3") == 0
    assert call(*again, "--resume=auto", "--trainer.num-steps=5") == 0
    assert_same_tensors(saved_tensors(run), saved_tensors(tmp_path / "b"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trainer.seed=6"], "begun with trainer.seed 5, and 6 is asked for"),
        (["--trainer.batch-size=8"], "begun with trainer.batch_size 4"),
        (["--optimizer.lr=0.5"], "begun with optimizer.lr 0.003"),
        (["--model.width=32"], "begun with model.width 16"),
        (["--trainer.num-steps=2"], "is at step 3, and trainer.num_steps 2 is before that"),
        (["--data=OTHER"], "begun with other data"),
    ],
)
def test_something_else_is_not_taken_for_the_same(options, said, run, tmp_path, capsys) -> None:
    other = tmp_path / "other"
    other.write_text("another text of other words " * 200)
    before = saved_tensors(run), (run / "recipe.yaml").read_text()
    options = [option.replace("OTHER", str(other)) for option in options]
    capsys.readouterr()
    assert call("tiny", "--out", run, "--resume=auto", *options) == 2
    assert said in only_sentence(capsys)
    assert_same_tensors(saved_tensors(run), before[0])
    assert (run / "recipe.yaml").read_text() == before[1]


def test_another_recipe_is_named(run, capsys) -> None:
    capsys.readouterr()
    assert call("text8-small", "--out", run, "--resume=auto") == 2
    assert "is one of the recipe tiny, and text8-small was named" in only_sentence(capsys)


def test_from_python_it_is_refused_alike(run, text) -> None:
    with pytest.raises(unmask.ConfigError, match="begun with"):
        unmask.train(preset("tiny"), data=text, out=run, resume="auto")


@pytest.mark.parametrize("resume", ["never", "auto"])
def test_what_belongs_to_others_is_left_alone(resume, text, tmp_path, capsys) -> None:
    folder = tmp_path / "foreign"
    folder.mkdir()
    files = {"config.json": "{}", "metrics.jsonl": '{"mine": 1}\n', ".other.partial": "half"}
    for name, content in files.items():
        (folder / name).write_text(content)
    assert call("tiny", "--data", text, "--out", folder, "--resume", resume, *SMALL) == 2
    assert "holds no run, and is not empty" in only_sentence(capsys)
    assert {path.name: path.read_text() for path in folder.iterdir()} == files


@pytest.mark.parametrize("known_good", [False, True])
def test_a_run_that_diverges_stops_and_keeps_what_was_good(
    known_good,
    run,
    text,
    tmp_path,
    capsys,
) -> None:
    out = tmp_path / "wild"
    wild = ["--optimizer.lr=1e30", "--optimizer.matrix-lr=1e30"]
    if known_good:
        assert call("tiny", "--data", text, "--out", out, *SMALL, *EVERY_STEP, *wild,
                    "--trainer.num-steps=1") == 0  # fmt: skip
    capsys.readouterr()
    assert call("tiny", "--data", text, "--out", out, "--resume=auto", *SMALL, *wild,
                "--trainer.num-steps=40") == 2  # fmt: skip
    said = only_sentence(capsys) if not known_good else capsys.readouterr().err
    assert "no longer a number at step" in said and "lower learning rate" in said
    kept = [folder.name for folder in whole_checkpoints(out)]
    assert kept == (["step-00000001"] if known_good else [])
    assert "NaN" not in (out / "metrics.jsonl").read_text()
    if not known_good:  # the same folder takes another run
        assert call("tiny", "--data", text, "--out", out, *SMALL, "--trainer.num-steps=1") == 0


def test_two_at_once_are_one_too_many(run, capsys) -> None:
    command = [sys.executable, "-m", "unmask", "train", "tiny", "--out", str(run),
               "--resume=auto", "--trainer.num-steps=100000"]  # fmt: skip
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(metrics(run)) < 8 and time.monotonic() < deadline:
            time.sleep(0.2)
        capsys.readouterr()
        assert call("tiny", "--out", run, "--resume=auto", "--trainer.num-steps=100000") == 2
        said = capsys.readouterr().err
        assert f"another process ({first.pid}) is at work in {run}" in said
    finally:
        first.kill()
        first.wait()
    steps = [row["step"] for row in metrics(run)]
    assert steps == sorted(steps)
    # Whoever held the lock is gone, and it with it.
    step = int(whole_checkpoints(run)[-1].name.removeprefix("step-"))
    assert call("tiny", "--out", run, "--resume=auto", f"--trainer.num-steps={step + 1}") == 0


def metrics(run: Path) -> list[dict]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]
