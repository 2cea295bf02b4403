"""Ten thousand inputs that nobody means (tests/fuzz.py): no traceback, no other status."""

import json
import subprocess
import sys

import pytest

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
