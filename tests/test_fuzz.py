"""Ten thousand inputs that nobody means (tests/fuzz.py): no traceback, no other status."""

import json
import subprocess
import sys

import pytest

import unmask
from tests import fuzz


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, 10_000, 500))
def test_nothing_ends_in_a_traceback(first) -> None:
    command = [sys.executable, "-m", "tests.fuzz", str(first), str(first + 500)]
    done = subprocess.run(command, capture_output=True, text=True)
    *wrong, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and last["cases"] == 500
    assert not wrong
    assert last["peak_bytes"] < fuzz.MOST_BYTES


def test_a_case_that_is_wrong_is_found(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(fuzz, "KINDS", [lambda dice, folder: ["models"]])
    assert fuzz.case(0, tmp_path) is None
    monkeypatch.setattr(fuzz, "quietly", lambda arguments: 1)
    assert fuzz.case(0, tmp_path)["status"] == 1
    monkeypatch.setattr(fuzz, "quietly", lambda arguments: {}["nothing"])
    assert "KeyError" in fuzz.case(0, tmp_path)["said"]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_call_from_python_ends_in_anything_but_an_error_of_ours() -> None:
    command = [sys.executable, "-m", "tests.fuzz_python", "0", "20000"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"calls": 20000, "wrong": 0}


def test_a_call_that_is_wrong_is_found() -> None:
    from tests.fuzz_python import call

    def fine(text: str) -> None:
        raise unmask.PromptError("no")

    def wrong(text: str) -> None:
        raise KeyError(text)

    assert call(0, {"fine": fine}) is None
    assert "KeyError" in call(0, {"wrong": wrong})["said"]
