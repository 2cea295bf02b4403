"""Runs that are killed and runs on a full disk (tests/harm.py), a few here and a hundred slowly.

Last run as a whole on 28 November 2026: 100 kills of each kind and every size of disk, none wrong.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import harm


def said_of(*arguments: str) -> list[dict]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.harm", *arguments],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_training_that_is_killed_goes_on() -> None:
    (found,) = said_of("kills", "2", "train")
    assert found == {"kind": "train", "kills": 2, "runs": found["runs"], "wrong": []}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", harm.KINDS)
def test_a_hundred_kills_lose_nothing(kind: str) -> None:
    (found,) = said_of("kills", "100", kind)
    assert found["kills"] == 100 and not found["wrong"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not harm.can_mount(), reason="no right to mount a disk")
@pytest.mark.parametrize("kind", harm.KINDS)
def test_a_full_disk_loses_nothing(kind: str) -> None:
    (found,) = said_of("full-disk", kind)
    assert found["full"] > 0 and not found["wrong"]


@pytest.mark.parametrize(
    ("lines", "is_over", "wrong"),
    [
        ('{"number": 0}\n{"number": 1}\n', True, ""),
        ('{"number": 0}\n{"num', False, ""),
        ('{"number": 0}\n', True, "lines are missing"),
        ('{"number": 0}\n{"number": 0}\n', False, "a line is there twice"),
        ('{"number": 2}\n', False, "a line is none of the uninterrupted run"),
    ],
)
def test_what_is_wrong_is_seen(lines: str, is_over: bool, wrong: str, tmp_path: Path) -> None:
    for name, text in (("out", lines), ("whole", '{"number": 0}\n{"number": 1}\n')):
        records = tmp_path / name / "report" / "records"
        records.mkdir(parents=True)
        (records / "threshold.jsonl").write_text(text)
    kind = harm.KINDS["answers"]
    assert harm.trouble(kind, tmp_path / "out", tmp_path / "whole", is_over=is_over) == wrong
