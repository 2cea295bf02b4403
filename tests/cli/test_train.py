"""`unmask train` as a user meets it: words are checked in this process, deeds in real ones."""

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

import unmask
from tests.large_model_folder import write_large_model
from tests.training.small_run import assert_same_tensors, saved_tensors, timeless_rows
from unmask.cli.main import main
from unmask.draws import SeededDraws
from unmask.network import checkpoint
from unmask.network.config import HybridConfig
from unmask.recipes.recipe import preset
from unmask.training.loop import new_state
from unmask.training.state import newest_checkpoint, whole_checkpoints

SMALL = [
    "--model.width=16",
    "--model.length=16",
    "--model.mlp-ratio=2",
    "--trainer.batch-size=4",
    "--trainer.num-valid=4",
    "--trainer.log-every=1",
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """4,000 letters and spaces."""
    path = tmp_path / "text"
    uniform = SeededDraws([5]).uniform(torch.ones(1, 4000, dtype=torch.bool))[0]
    path.write_text("".join(" abcdefghijklmnopqrstuvwxyz"[int(u * 27)] for u in uniform))
    return path


def call(*arguments: str | Path) -> int:
    """The exit status of `unmask train` run in this process."""
    try:
        return main(["train", *map(str, arguments)])
    except SystemExit as stop:
        assert isinstance(stop.code, int)
        return stop.code


def only_sentence(capsys: pytest.CaptureFixture) -> str:
    """What was said: one line on standard error, nothing else, and no traceback."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(("unmask: ", "unmask train: "))
    assert err.count("\n") == 1, err
    return err


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["huge", "--data=TEXT", "--out=OUT"],
            "no recipe 'huge'. Choose one of: adapt, arithmetic, arithmetic-drafter",
        ),
        (["--data=TEXT", "--out=OUT"], "required: recipe"),
        (["tiny", "--out=OUT"], "--data is missing"),
        (["tiny", "--data=arithmetic", "--out=OUT"], "choose the recipe arithmetic"),
        (["arithmetic", "--data=TEXT", "--out=OUT"], "Give --data arithmetic, or choose a text8"),
        (["adapt", "--data=arithmetic", "--out=OUT"], "--trunk is missing: name the model"),
        (["adapt", "--data=arithmetic", "--out=OUT", "--trunk=text8s"], "has a causal trunk"),
        (["tiny", "--data=TEXT", "--out=OUT", "--trunk=text8s"], "--trunk text8s has no place"),
        (["tiny", "--data=TEXT"], "--out is missing"),
        (["tiny", "--data=nowhere.txt", "--out=OUT"], "there is no file nowhere.txt"),
        (["tiny", "--data=EMPTY", "--out=OUT"], "is empty"),
        (
            ["tiny", "--data=FOREIGN", "--out=OUT"],
            "'Ä' at offset 3 is none of the model's characters",
        ),
        (["tiny", "--data=SHORT", "--out=OUT"], "too few for one sequence of 64"),
        (["tiny", "--data=TEXT", "--out=TEXT"], "is a file. Name a folder"),
        (["tiny", "--data=TEXT", "--out=TEXT", "--resume=auto"], "is a file. Name a folder"),
        (["tiny", "--data=TEXT", "--out=TEXT/below", *SMALL], "cannot make the folder"),
        (["tiny", "--data=TEXT", "--out=FULL"], "holds no run, and is not empty"),
        (["owt-paper", "--data=TEXT", "--out=OUT"], "model.vocab_size is 50257, and its text has"),
        (["tiny", "--trainer.num_steps=0"], "TrainerConfig.num_steps must be at least 1, got 0"),
        (["tiny", "--trainer.num_steps=many"], "--trainer.num_steps: expected int, got many"),
        (["tiny", "--trainer.minutes=0"], "TrainerConfig.minutes must be positive, got 0.0"),
        (["tiny", "--trainer.minutes=nan"], "--trainer.minutes: expected float, got nan"),
        (["tiny", "--model.width=30"], "HybridConfig.width must give each of the 2 heads"),
        (
            ["tiny", "--model.activation=tanh"],
            "'gelu', 'gelu-erf', got tanh",
        ),
        (["tiny", "--optimizer.lr=-1"], "OptimizerConfig.lr must be positive, got -1.0"),
        (["tiny", "--resume=perhaps"], "--resume: invalid choice: 'perhaps'"),
        (["tiny", "--trainer.nun_steps=3"], "unrecognized arguments: --trainer.nun_steps=3"),
        (["tiny", "--config=UNKNOWN"], "'trainer' does not accept option 'nun_steps'"),
        (["tiny", "--config=BROKEN"], "Problems parsing config"),
        (["tiny", "--config=nowhere.yaml"], "File does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_with_one_sentence_and_status_2(
    arguments: list[str], complaint: str, text: Path, tmp_path: Path, capsys
) -> None:
    places = {"TEXT": text, "OUT": tmp_path / "out"}
    for name, content in {
        "EMPTY": "",
        "FOREIGN": "ab Ägypten" * 500,
        "SHORT": "abc " * 50,
        "UNKNOWN": "trainer:\n  nun_steps: 3\n",
        "BROKEN": "trainer: [1\n",
    }.items():
        places[name] = tmp_path / name
        places[name].write_text(content)
    places["FULL"] = tmp_path
    for name, place in places.items():
        arguments = [argument.replace(name, str(place)) for argument in arguments]
    assert call(*arguments) == 2
    assert complaint in only_sentence(capsys)
    assert not (tmp_path / "out").exists()


def test_a_run_is_not_begun_twice_in_one_folder(text: Path, tmp_path: Path, capsys) -> None:
    run = ["tiny", "--data", text, "--out", tmp_path / "run", *SMALL, "--trainer.num_steps=2"]
    assert call(*run) == 0
    before = saved_tensors(tmp_path / "run")
    capsys.readouterr()
    assert call(*run) == 2
    assert "already holds a run. Go on with it by --resume auto" in only_sentence(capsys)
    assert_same_tensors(saved_tensors(tmp_path / "run"), before)


# Recipes


def printed(capsys: pytest.CaptureFixture, *arguments: str | Path) -> str:
    assert call(*arguments, "--print-config") == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_printed_recipe_is_the_recipe(capsys) -> None:
    for name in ("tiny", "text8-paper"):
        assert printed(capsys, name) == preset(name).to_yaml()


def test_a_printed_recipe_given_back_is_the_same_recipe(tmp_path: Path, capsys) -> None:
    changes = ["--trainer.minutes=1e-7", "--optimizer.lr=3e-5", "--model.heads=separate"]
    once = printed(capsys, "tiny", *changes)
    (tmp_path / "recipe.yaml").write_text(once)
    for other in ("tiny", "text8-paper"):  # it names every field, so what it is laid over is gone
        assert printed(capsys, other, "--config", tmp_path / "recipe.yaml") == once


@pytest.mark.parametrize("arguments", [["tiny"], ["--resume", "never", "tiny"]])
def test_the_recipe_counts_wherever_it_stands(arguments: list[str], capsys) -> None:
    assert printed(capsys, *arguments) == preset("tiny").to_yaml()


@pytest.mark.parametrize(
    "override",
    [
        ["--trainer.num_steps", "7"],
        ["--trainer.num-steps", "7"],
        ["--trainer.num-steps=7"],
        ["--config", "CONFIG"],
    ],
)
def test_overrides_change_what_they_name_and_nothing_else(
    override: list[str], tmp_path: Path, capsys
) -> None:
    (tmp_path / "config.yaml").write_text("trainer:\n  num_steps: 7\n")
    override = [word.replace("CONFIG", str(tmp_path / "config.yaml")) for word in override]
    expected = yaml.safe_load(preset("tiny").to_yaml())
    expected["trainer"]["num_steps"] = 7
    assert yaml.safe_load(printed(capsys, "tiny", *override)) == expected


def test_options_beat_the_config_file_before_them(tmp_path: Path, capsys) -> None:
    (tmp_path / "config.yaml").write_text("trainer:\n  num_steps: 7\n  seed: 5\n")
    config = ["--config", tmp_path / "config.yaml", "--trainer.seed=6"]
    trainer = yaml.safe_load(printed(capsys, "tiny", *config))["trainer"]
    assert (trainer["num_steps"], trainer["seed"]) == (7, 6)


def help_text(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    assert call(*arguments, "--help") == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_teaches(capsys) -> None:
    text = help_text(capsys)
    for lesson in (
        "usage: unmask train RECIPE --data FILE --out FOLDER [options]",
        "SIGTERM, Ctrl-C and --trainer.minutes end a session with a checkpoint",
        "torchrun --nproc-per-node 2 -m unmask.cli.train",
        "One of: adapt, arithmetic,",
        "--trainer.num_steps NUM_STEPS Steps in all, over every session of the run; the cosine "
        "ends here. (type: int, default: 8000)",
        "--model.tail_rotary {crossed,halves} crossed: queries turn by the position they predict",
        "--optimizer.matrix_lr MATRIX_LR Peak learning rate of the matrices",
        "--dry-run Time two steps",
    ):
        assert lesson in text


def test_help_about_a_recipe_shows_its_values(capsys) -> None:
    assert "the cosine ends here. (type: int, default: 300)" in help_text(capsys, "tiny")


# Runs


def test_a_dry_run_says_how_long_it_would_take_and_writes_nothing(
    text: Path, tmp_path: Path, capsys
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert call("tiny", "--data", text, "--out", tmp_path / "run", *SMALL, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "3,600 training tokens; 300 steps of 64 tokens" in out
    assert all(part in out for part in (" GB of memory; ", "operations a token", "such as H100"))
    assert out.endswith(". Nothing was written.\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_leaves_recipe_metrics_checkpoints_and_model(text: Path, tmp_path: Path) -> None:
    run = tmp_path / "new" / "run"
    assert call("tiny", "--data", text, "--out", run, *SMALL, "--trainer.num_steps=3") == 0
    assert sorted(path.name for path in run.iterdir()) == [
        ".unmask.lock", "checkpoints", "config.json", "metrics.jsonl", "model.safetensors",
        "recipe.yaml", "run.json",
    ]  # fmt: skip
    assert yaml.safe_load((run / "recipe.yaml").read_text())["trainer"]["num_steps"] == 3
    assert [row["step"] for row in timeless_rows(run)] == [1, 2, 3, 3]
    _, codec = checkpoint.read_model(run)
    assert codec == {"kind": "characters", "alphabet": " abcdefghijklmnopqrstuvwxyz"}


def test_text_is_normalised_on_request(text: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "prose").write_text("It was the 1st of May, 1851. " * 200)
    run = ["tiny", "--data", tmp_path / "prose", "--dry-run", *SMALL]
    assert call(*run) == 2
    assert "Pass --normalise" in only_sentence(capsys)
    assert call(*run, "--normalise") == 0


# A full disk, at every write of a run in turn


def disk_full_at(write: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The n-th file fails when it is flushed to disk; the list counts them."""
    flushed: list[int] = []

    def fsync(descriptor: int) -> None:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return  # a folder, whose renames are made sure of where that can be
        flushed.append(descriptor)
        if len(flushed) == write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    return flushed


FULL_RUN = [*SMALL, "--trainer.num_steps=4", "--trainer.checkpoint_every=2"]
# record, recipe, metrics; then twice: six files of a checkpoint, two of the model in the folder
NUM_WRITES = 3 + 2 * 8 + 2  # the last checkpoint is there already when the run ends


def test_the_writes_of_a_run_are_counted_rightly(text, tmp_path, monkeypatch) -> None:
    flushed = disk_full_at(0, monkeypatch)
    assert call("tiny", "--data", text, "--out", tmp_path / "run", *FULL_RUN) == 0
    assert len(flushed) == NUM_WRITES


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(write, marks=[] if write in (1, 2, 7, 13, 16, 18) else pytest.mark.slow)
        for write in range(1, NUM_WRITES + 1)
    ],
)
def test_a_full_disk_costs_no_more_than_the_file_that_did_not_fit(
    write: int, text: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    run = ["tiny", "--data", text, "--out", tmp_path / "run", *FULL_RUN]
    with monkeypatch.context() as patch:
        disk_full_at(write, patch)
        assert call(*run) == 2
    assert "No space left on device" in only_sentence(capsys)
    assert not list(tmp_path.rglob("*-partial"))
    saved = [2] if 9 < write <= 17 else [2, 4] if write > 17 else []
    assert [int(folder.name[-8:]) for folder in whole_checkpoints(tmp_path / "run")] == saved
    if saved:
        state = state_of(*FULL_RUN)
        state.load(whole_checkpoints(tmp_path / "run")[-1])
        assert state.progress.step == saved[-1]
    assert call(*run, "--resume", "auto") == 0
    assert saved_tensors(tmp_path / "run")


def state_of(*overrides: str):
    """A new state of the recipe that `call("tiny", *overrides)` trains."""
    from unmask.cli import train

    parser = train.build_parser()
    parser.set_defaults(train._dotted(train.preset_values("tiny")))
    options = parser.parse(["tiny", *overrides])
    sections = {
        name: cls(**options[name].as_dict()) for name, cls in train._sections(HybridConfig).items()
    }
    return new_state(sections["model"], sections["optimizer"], sections["trainer"])


# Real processes


def command(*arguments: str | Path, launcher: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, *launcher, "-m", "unmask.cli.train", "tiny", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(*arguments: str | Path, launcher: tuple[str, ...] = ()) -> str:
    done = subprocess.run(
        command(*arguments, launcher=launcher), env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for_steps(process: subprocess.Popen[str], run: Path, num_steps: int) -> None:
    """Until the run has come so much further, or is over."""

    def size() -> int:
        metrics = run / "metrics.jsonl"
        return metrics.read_text().count("\n") if metrics.exists() else 0

    goal = size() + num_steps
    while size() < goal and process.poll() is None:
        time.sleep(0.005)


def test_sigterm_ends_a_run_well_and_it_can_go_on(text: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["--data", text, "--out", run, *SMALL, "--trainer.checkpoint_every=100000"]
    process = start(*arguments, "--trainer.num_steps=100000")
    wait_for_steps(process, run, 3)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 0, err
    step = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    newest = newest_checkpoint(run)
    assert newest is not None
    assert newest.name == f"step-{step:08d}"
    assert out.startswith(f"step {step:,} of 100,000; ")
    assert out.endswith(f"model in {run}; stopped: go on with --resume auto\n")
    assert call(*["tiny", *arguments], f"--trainer.num_steps={step + 2}", "--resume=auto") == 0
    steps = [row["step"] for row in timeless_rows(run) if "draft_bits" in row]
    assert steps == list(range(1, step + 3))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the processes that are started here, so that sums come out alike."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def kill_at(delays: list[float], num_steps: int, text: Path, tmp_path: Path) -> None:
    """kill -9 after each delay; then go on to the end, which is where no kill would have led."""
    recipe = ["--data", text, *SMALL, f"--trainer.num_steps={num_steps}"]
    run = tmp_path / "killed"
    for delay in delays:
        process = start(*recipe, "--out", run, "--resume=auto", "--trainer.checkpoint_every=1")
        wait_for_steps(process, run, 1)
        time.sleep(delay)
        process.kill()
        _, err = process.communicate()
        assert process.returncode in (-signal.SIGKILL, 0), err
        newest = newest_checkpoint(run)
        if newest is not None:
            state_of(*SMALL).load(newest)
        if (run / "model.safetensors").exists() and (run / "config.json").exists():
            checkpoint.read_model(run)
    assert call("tiny", *recipe, "--out", run, "--resume=auto") == 0
    assert call("tiny", *recipe, "--out", tmp_path / "whole") == 0
    assert_same_tensors(saved_tensors(run), saved_tensors(tmp_path / "whole"))
    assert timeless_rows(run) == timeless_rows(tmp_path / "whole")
    assert not list(run.rglob("*-partial"))


def test_a_killed_run_goes_on_as_if_nothing_had_happened(text, tmp_path, one_thread) -> None:
    kill_at([0.02], 40, text, tmp_path)


@pytest.mark.slow
def test_a_run_killed_many_times_goes_on(text, tmp_path, one_thread) -> None:
    kill_at([0.0, 0.003, 0.011, 0.017, 0.05, 0.1, 0.13, 0.31], 300, text, tmp_path)


both_launchers = pytest.mark.parametrize(
    "launcher",
    [
        ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes=2"),
    ],
    ids=["torchrun", "accelerate launch"],
)


@pytest.mark.slow
@both_launchers
def test_two_processes_train_what_one_does(text: Path, tmp_path: Path, launcher) -> None:
    """Up to rounding: on a machine without a GPU they talk by gloo."""
    recipe = ["--data", text, *SMALL, "--trainer.num_steps=6", "--optimizer.matrices=adamw"]
    finish(*recipe, "--out", tmp_path / "one")
    out = finish(*recipe, "--out", tmp_path / "two", launcher=launcher)
    assert out.count("step 6 of 6") == 1
    one, two = saved_tensors(tmp_path / "one"), saved_tensors(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=1e-5, rtol=1e-5)
    rows = timeless_rows(tmp_path / "two")
    for found, expected in zip(rows, timeless_rows(tmp_path / "one"), strict=True):
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@both_launchers
def test_a_batch_that_two_processes_cannot_share_is_refused(
    text: Path, tmp_path: Path, launcher
) -> None:
    run = ["--data", text, "--out", tmp_path / "run", *SMALL, "--trainer.batch_size=3"]
    done = subprocess.run(
        command(*run, launcher=launcher), env=environment(), capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "unmask: TrainerConfig.batch_size is 3, which 2 processes cannot share" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_large_models_recipe_makes_a_folder_as_such_models_are_published(
    tmp_path: Path, capsys
) -> None:
    run = ["arithmetic", "--data=arithmetic", "--out", tmp_path / "run", "--model.width=24"]
    run += ["--model.hidden=16", "--model.num-blocks=1", "--trainer.batch-size=4"]
    run += ["--trainer.num-valid=4", "--trainer.num-steps=2"]
    assert call(*run) == 0
    folder = tmp_path / "run"
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llada"
    assert {"tokenizer.json", "tokenizer_config.json"} <= {file.name for file in folder.iterdir()}
    assert call(*run, "--trainer.num-steps=3", "--resume=auto") == 0
    assert "resuming" in (said := capsys.readouterr()).err and "step 3 of 3" in said.out


def test_a_tail_is_trained_for_a_large_model_that_stays_as_it_is(tmp_path: Path, capsys) -> None:
    folder = write_large_model(tmp_path / "model", length=1024)
    weights = (folder / "model.safetensors").read_bytes()
    run = ["adapt", "--data=arithmetic", "--out", tmp_path / "run", "--trunk", folder]
    run += ["--trainer.batch-size=2", "--trainer.num-valid=2", "--trainer.num-steps=2"]
    assert call(*run) == 0
    assert call(*run, "--trainer.num-steps=3", "--resume=auto") == 0
    assert "resuming" in (said := capsys.readouterr()).err and "step 3 of 3" in said.out
    assert (folder / "model.safetensors").read_bytes() == weights
    model = unmask.load(str(folder)).with_tail(tmp_path / "run")
    sampler = unmask.SelfSpeculative(window=unmask.Fixed(4), order="left-to-right")
    (answer,) = model.generate(
        sampler=sampler, chat="12 apples?", max_new_tokens=12, num_samples=1
    )
    assert answer.tail_passes > 0
    shutil.copytree(tmp_path / "run", folder / "tail")
    (same,) = unmask.load(str(folder)).generate(
        sampler=sampler, chat="12 apples?", max_new_tokens=12, num_samples=1
    )
    assert same.token_ids == answer.token_ids
    assert call(*run[:3], tmp_path / "other", *run[4:], "--dry-run") == 0
    assert "3 steps" not in capsys.readouterr().out and not (tmp_path / "other").exists()
