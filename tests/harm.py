"""Runs that are killed at any moment, and runs on a disk that is full: nothing lost or doubled.

    python -m tests.harm kills NUM [KIND ...]      SIGKILL at random moments, until NUM have hit
    python -m tests.harm full-disk [KIND ...]      a disk of every size, from nothing upwards

A run is gone on with until it is over, and must then be the uninterrupted one, bit for bit but for
times. Each is a process of its own, forked from one that has imported everything. A full disk is
a real one, of a few kilobytes, which takes the right to mount one. Prints a line of JSON a kind;
the exit status is 0 if nothing was wrong.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CLOCK = (
    "seconds", "cpu_seconds", "tokens_per_second", "busy_seconds", "peak_memory_bytes"
)  # fmt: skip
_PAGE = 4096


@dataclass(frozen=True)
class Kind:
    """A command that writes, and how what it wrote is read."""

    arguments: Callable[[Path, Path], list[str]]
    """Of a folder with inputs, and of one to write in; they go on with what is there."""
    lines: str
    """The files of lines that grow, as a pattern."""
    keys: tuple[str, ...]
    """What tells two of its lines apart."""
    weights: str = ""
    """A file that must be the same, byte for byte."""
    last: str = ""
    """A file that is there when it is over."""


def _generate(inputs: Path, out: Path) -> list[str]:
    return [
        "generate", "text8s-any", "--sampler", "ancestral", "--sampler.num-steps", "6",
        "--batch-size", "4", "--prompts", str(inputs / "prompts.txt"), "--length", "40",
        "--output", str(out / "samples.jsonl"),
        *(["--resume"] if (out / "samples.jsonl").exists() else []),
    ]  # fmt: skip


def _answers(inputs: Path, out: Path) -> list[str]:
    return [
        "evaluate", "arithmetic", "--task", "gsm8k", "--data", "arithmetic:single",
        "--num-questions", "12", "--max-new-tokens", "16", "--batch-size", "3",
        "--decoders", "threshold,factor", "--out", str(out / "report"),
        *(["--resume"] if (out / "report").exists() else []),
    ]  # fmt: skip


def _frontier(inputs: Path, out: Path) -> list[str]:
    return [
        "evaluate", "text8s-any", "--samplers", "ancestral", "--budgets", "2", "--judge", "none",
        "--num-samples", "16", "--out", str(out / "report"),
        *(["--resume"] if (out / "report").exists() else []),
    ]  # fmt: skip


def _train(inputs: Path, out: Path) -> list[str]:
    return [
        "train", "tiny", "--data", str(inputs / "text.txt"), "--out", str(out / "run"),
        "--resume", "auto", "--trainer.num-steps", "40", "--trainer.checkpoint-every", "4",
        "--trainer.validate-every", "10", "--trainer.log-every", "2", "--trainer.batch-size", "4",
    ]  # fmt: skip


KINDS = {
    "generate": Kind(_generate, "samples.jsonl", ("id", "seed")),
    "answers": Kind(_answers, "report/records/*.jsonl", ("number",)),
    "frontier": Kind(_frontier, "report/*.jsonl", (), last="report/report.md"),
    "train": Kind(
        _train, "run/metrics.jsonl", ("step", "valid_draft_bits"), "run/model.safetensors"
    ),
}


def make_inputs(folder: Path) -> None:
    """What the commands read."""
    words = ("the", "of", "a", "in", "to", "and")
    (folder / "prompts.txt").write_text("".join(f"{word} \n" for word in words * 4))
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog " * 500)


def forked(arguments: list[str], said: Path) -> int:
    """The number of a process that runs a command, and writes what it says to a file."""
    number = os.fork()
    if number:
        return number
    status = 70
    with contextlib.suppress(BaseException):
        target = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        from unmask.cli.main import main

        try:
            status = main(arguments)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def ended(number: int) -> int:
    """Its exit status; below 0 the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def rows(kind: Kind, out: Path) -> list[dict[str, Any]]:
    """The whole lines of all files that grow, in order, without what a clock says."""
    found = []
    for file in sorted(out.glob(kind.lines)):
        for line in file.read_bytes().split(b"\n")[:-1]:  # what has no end was cut short
            row = json.loads(line)
            found.append({"file": file.name} | {k: row[k] for k in row if k not in _CLOCK})
    return sorted(found, key=lambda row: json.dumps(_key(kind, row)))


def _key(kind: Kind, row: dict[str, Any]) -> list[Any]:
    return [row["file"], *(row.get(name) for name in kind.keys)]


def trouble(kind: Kind, out: Path, whole: Path, *, is_over: bool) -> str:
    """What is wrong with what was written by now; "" if nothing is."""
    found, expected = rows(kind, out), rows(kind, whole)
    keys = [json.dumps(_key(kind, row)) for row in found]
    if len(set(keys)) != len(keys):
        return "a line is there twice"
    if any(row not in expected for row in found):
        return "a line is none of the uninterrupted run"
    if is_over and found != expected:
        return "lines are missing"
    if is_over and kind.weights:
        if (out / kind.weights).read_bytes() != (whole / kind.weights).read_bytes():
            return "the weights differ"
    if is_over and kind.last and not (out / kind.last).exists():
        return f"there is no {kind.last}"
    return ""


def kills(kind: Kind, num: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Kill runs of a kind until so many kills have hit."""
    dice, wrong, num_kills, num_runs = random.Random(seed), [], 0, 0
    make_inputs(folder)
    whole, said = folder / "whole", folder / "said.txt"
    whole.mkdir()
    before = time.monotonic()
    assert ended(forked(kind.arguments(folder, whole), said)) == 0, said.read_text()
    usual = time.monotonic() - before
    while num_kills < num:
        out = folder / f"cut-{num_runs}"
        out.mkdir()
        num_runs += 1
        for attempt in range(1000):
            number = forked(kind.arguments(folder, out), said)
            # Fewer kills as a run has had more of them, or it would never be over.
            if num_kills < num and attempt < 25:
                time.sleep(dice.uniform(0, usual * dice.uniform(0.1, 1)))
                os.kill(number, signal.SIGKILL)
            status = ended(number)
            num_kills += status == -signal.SIGKILL
            is_over = status == 0
            if found := trouble(kind, out, whole, is_over=is_over):
                wrong.append({"run": num_runs, "kill": num_kills, "wrong": found})
            if status not in (0, -signal.SIGKILL):
                wrong.append({"run": num_runs, "status": status, "said": said.read_text()[-300:]})
                break
            if is_over:
                break
        shutil.rmtree(out)
    return {"kills": num_kills, "runs": num_runs, "wrong": wrong}


def full_disk(kind: Kind, folder: Path) -> dict[str, Any]:
    """Run a kind on disks that are larger by a page each time, until all of it fits."""
    wrong, num_full = [], 0
    make_inputs(folder)
    whole, said, disk = folder / "whole", folder / "said.txt", folder / "disk"
    whole.mkdir()
    disk.mkdir()
    assert ended(forked(kind.arguments(folder, whole), said)) == 0, said.read_text()
    size, step = _PAGE, _PAGE
    while True:
        with mounted(disk, size):
            status = ended(forked(kind.arguments(folder, disk), said))
            text = said.read_text()
            num_full += status != 0
            if status not in (0, 2) or "Traceback" in text or (status and "unmask" not in text):
                wrong.append({"size": size, "status": status, "said": text[-300:]})
            if found := trouble(kind, disk, whole, is_over=status == 0):
                wrong.append({"size": size, "wrong": found})
            if status == 2:  # room is made, and the same disk is gone on with
                subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
                status = ended(forked(kind.arguments(folder, disk), said))
                if status or trouble(kind, disk, whole, is_over=True):
                    wrong.append(
                        {"size": size, "resumed": status, "said": said.read_text()[-300:]}
                    )
            else:
                break
        step = max(_PAGE, size // 24 // _PAGE * _PAGE)
        size += step
    return {"full": num_full, "size": size, "wrong": wrong}


@contextlib.contextmanager
def mounted(place: Path, size: int) -> Iterator[None]:
    """A disk of so many bytes."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def can_mount() -> bool:
    """Whether a disk can be mounted here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(Path(folder), _PAGE):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def main(arguments: list[str]) -> int:
    import torch

    import unmask.cli.evaluate
    import unmask.cli.generate
    import unmask.cli.train
    import unmask.training.session  # noqa: F401

    torch.set_num_threads(1)  # threads do not live on in a process that is forked
    what, *names = arguments
    num = int(names.pop(0)) if what == "kills" else 0
    is_wrong = False
    for name in names or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            kind = KINDS[name]
            found = kills(kind, num, Path(folder)) if num else full_disk(kind, Path(folder))
        print(json.dumps({"kind": name, **found}), flush=True)
        is_wrong |= bool(found["wrong"])
    return int(is_wrong)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    raise SystemExit(main(sys.argv[1:]))
