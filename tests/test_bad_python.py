"""What is wrong is refused from Python as from the command line: our own error, which helps.

The twin of tests/cli/test_bad_input.py. The calls are in tests/bad_python.py.
"""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

import unmask
from tests.bad_python import OF_CHATS, OF_LOADING, OF_TEXT
from unmask.errors import ConfigError

CALLS = {**OF_TEXT, **OF_CHATS, **OF_LOADING}


@cache
def answers() -> dict[str, list]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bad_python"],
        capture_output=True, text=True, timeout=200, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_answered_with_what_would_be_right(name):
    *_, kind, said = CALLS[name]
    found, is_ours, message = answers()[name]
    assert (found, is_ours) == (kind, True), message
    assert re.search(said, message, re.DOTALL), message
    assert len(message) < 1200 and "\n" not in message


def test_the_command_line_refuses_the_same_in_the_same_words():
    for arguments, name in (
        (["--sampler", "remdm", "arithmetic", "--chat", "12?"], "a sampler that cannot stop"),
        (["text8s-any", "--length", "9999"], "too long a text"),
        (["text8s-any", "--num-samples", "0"], "no samples"),
        (["text8s-any", "--sampler", "wino"], "shadows of a model that casts none"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "unmask", "generate", *arguments],
            capture_output=True, text=True, timeout=200,
        )  # fmt: skip
        assert done.returncode == 2 and not done.stdout
        assert answers()[name][2] in " ".join(done.stderr.split()), done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_missed_by_name():
    with pytest.raises(ConfigError, match="no device 'cuda' here"):
        unmask.load(device="cuda")
    assert unmask.load(device="auto").network.device.type == "cpu"
