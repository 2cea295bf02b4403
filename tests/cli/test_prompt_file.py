"""`unmask generate --prompts`, in real processes that are killed."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.command import refused
from tests.models.test_prompts import rows

COMMAND = [sys.executable, "-m", "unmask", "generate", "text8s-any", "--batch-size", "4",
           "--sampler", "ancestral", "--sampler.num-steps", "6"]  # fmt: skip


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"{word} \n" for word in ("the", "of", "a", "in", "to", "and") * 6))
    return path


def started(prompts: Path, output: Path, *more: str) -> subprocess.Popen:
    arguments = ["--prompts", str(prompts), "--output", str(output), "--length", "40", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def num_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_cut_short_goes_on(ending, prompts, tmp_path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    process = started(prompts, whole)
    process.communicate()
    assert process.returncode == 0
    kills = 0
    while True:
        before = num_lines(cut)
        process = started(prompts, cut, *(["--resume"] if cut.exists() else []))
        if kills < 2:
            while process.poll() is None and num_lines(cut) < before + 4:
                time.sleep(0.01)
            process.send_signal(ending)
        _, said = process.communicate()
        if process.returncode == 0:
            break
        kills += 1
        assert process.returncode == (-ending if ending == signal.SIGKILL else 130)
        if ending == signal.SIGINT:
            assert "go on with --resume" in said and "Traceback" not in said
    assert kills and rows(cut) == rows(whole)
    assert len(rows(whole)) == 36


def test_prompts_come_from_standard_input_and_samples_go_to_standard_output(prompts) -> None:
    done = subprocess.run([*COMMAND, "--prompts", "-", "--length", "20", "--json"],
                          input="the \nof \n", capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda r: r["id"])
    assert [(row["id"], row["prompt"], row["seed"]) for row in found] == [
        (1, "the ", 0), (2, "of ", 1)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--resume"], "--resume is for a file of prompts"),
        (["--prompts", "P", "--resume"], "--resume goes on with a file: name it with --output"),
        (["--prompts", "P", "--prompt", "the "], "leave --prompt out"),
        (["--prompts", "P", "--trace", "x.html"], "leave --trace out"),
        (["--prompts", "nowhere"], "nowhere cannot be read"),
        (["--prompts", "/dev/zero"], "no regular file"),
        (["--prompts", "P", "--num-samples", "0"], "at least 1"),
    ],
)
def test_what_does_not_go_together_is_said(options, said, prompts, capsys, tmp_path) -> None:
    options = [str(prompts) if option == "P" else option for option in options]
    assert said in refused(capsys, "generate", "text8s-any", *options)


@pytest.mark.slow
def test_a_full_disk_leaves_whole_lines_to_go_on_with(prompts, tmp_path) -> None:
    """A real file that may not grow beyond a size; then one that may."""
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    process = started(prompts, whole)
    process.communicate()
    done = subprocess.run(
        [*COMMAND, "--prompts", str(prompts), "--output", str(cut), "--length", "40"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot go on writing" in done.stderr and "go on with --resume" in done.stderr
    assert 1 <= num_lines(cut) < 36 and cut.read_bytes().endswith(b"}\n")
    process = started(prompts, cut, "--resume")
    process.communicate()
    assert process.returncode == 0 and rows(cut) == rows(whole)
