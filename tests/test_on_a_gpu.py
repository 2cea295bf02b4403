"""benchmarks/on_a_gpu.py in small, on a CPU: what a machine with a GPU will be asked."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import unmask

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "on_a_gpu.py"
TINY = "--model.width 16 --model.num-heads 1 --model.num-trunk-blocks 1 --model.length 32"
FEW = "--trainer.batch-size 2 --trainer.num-valid 4 --trainer.log-every 1"


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    text = tmp_path / "text.txt"
    text.write_text("the quick brown fox jumps over the lazy dog " * 200)
    command = [
        sys.executable, str(SCRIPT), "--data", str(text), "--out", str(tmp_path / "gpu"),
        "--device", "cpu", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=250)


@pytest.mark.slow
def test_checks_trainings_and_parts_that_travel(tmp_path):
    done = run(
        tmp_path,
        *("--minutes", "0.7", "--kept-seconds", "6", "--no-compile"),
        *("--num-samples", "1", "--length", "16", "--batch-sizes", "1"),
        *("--train", f"text8-stream {TINY} {FEW} --model.max-window 4"),
        *("--train", f"text8-ar {TINY} {FEW}"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "gpu"
    report = json.loads((out / "report.json").read_text())
    assert report["samples"] == {"samples": 2, "equal": 2}
    assert report["speed"][0]["tokens_per_second"] > 0
    names = [row["recipe"] for row in report["trainings"]]
    assert names == ["text8-stream", "text8-ar"]
    for row in report["trainings"]:
        assert row["exit"] == 0 and row["steps"] > 0 and row["validation"]
        assert f"| {row['recipe']} |" in (out / "table.md").read_text()
        (part,) = out.glob(f"{row['recipe']}.tar.part-*")
        folder = tmp_path / row["recipe"]
        with tarfile.open(part) as tar:
            tar.extractall(folder, filter="data")
        assert {"config.json", "model.safetensors", "metrics.jsonl", "recipe.yaml"} <= {
            file.name for file in folder.iterdir()
        }
        assert unmask.load(str(folder)).generate(num_samples=1, length=8)[0].text


@pytest.mark.slow
def test_a_training_behind_another_has_its_model(tmp_path):
    few = "--data arithmetic --trainer.batch-size 2 --trainer.num-valid 2 --trainer.log-every 1"
    small = "--model.width 16 --model.hidden 16 --model.num-blocks 1 --model.num-heads 1"
    done = run(
        tmp_path,
        *("--minutes", "1.0", "--kept-seconds", "6", "--no-compile", "--no-checks"),
        *("--train", f"arithmetic {few} {small} --model.num-key-heads 1"),
        *("--then", f"adapt {few} --trunk {{arithmetic}}", "--share-of-then", "0.5"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("arithmetic", "adapt"):
        (part,) = (tmp_path / "gpu").glob(f"{name}.tar.part-*")
        with tarfile.open(part) as tar:
            tar.extractall(tmp_path / name, filter="data")
    model = unmask.load(str(tmp_path / "arithmetic")).with_tail(tmp_path / "adapt")
    assert model.generate(chat="How many?", max_new_tokens=8)[0].num_tokens <= 8


@pytest.mark.parametrize("failing", ["text8-stream --model.width 15", "nonesuch"])
def test_a_training_that_fails_is_not_passed_over(failing, tmp_path):
    done = run(
        tmp_path, "--minutes", "0.4", "--kept-seconds", "6", "--no-checks", "--no-compile",
        "--train", failing,
    )  # fmt: skip
    assert done.returncode != 0
