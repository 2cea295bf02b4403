"""Denormal numbers are taken for zero by every thread, and no sample changes by it."""

import json
import subprocess
import sys

import pytest
import torch

USE = """
import sys
import torch
torch.set_num_threads(2)

def survivors(*_):
    halves = torch.full((2**21,), 2.0**-126) * 0.5  # denormal; a part of them for each thread
    print(int((halves > 0).sum()))
"""
CHOICES = {
    "left alone": "survivors()",
    "at the start": "import unmask; unmask.flush_denormals(); survivors()",
    "too late": "torch.ones(2**21) * 2; import unmask; unmask.flush_denormals(); survivors()",
    "command line": """
import unmask.cli.words
unmask.cli.words.run = survivors
sys.argv = ["unmask", "words"]
from unmask.cli.main import entry
entry()
""",
    "training": """
import unmask
import unmask.recipes.run as run
run.load_trunk = survivors
try:
    unmask.train(unmask.preset("tiny"), data="not there", out="not there either")
except unmask.UnmaskError:
    pass
""",
    "after training": """
import unmask
try:
    unmask.train(unmask.preset("tiny"), data="not there", out="not there either")
except unmask.UnmaskError:
    pass
print(int((torch.full((1,), 2.0**-126) * 0.5 > 0).sum()))
""",
}


def printed(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def survivors(choice: str) -> int:
    return int(printed(USE + CHOICES[choice]))


@pytest.fixture
def has_the_mode():
    if not int(printed("import torch; print(int(torch.set_flush_denormal(True)))")):
        pytest.skip("this processor has no such mode")


@pytest.mark.parametrize("choice", ["at the start", "command line", "training"])
def test_no_thread_computes_with_denormals(has_the_mode, choice):
    assert survivors(choice) == 0


def test_training_leaves_the_thread_that_called_it_as_it_was(has_the_mode):
    assert survivors("after training") == 1


def test_threads_that_run_already_go_on_as_before(has_the_mode):
    """Why it must be called first; with one core there is no other thread."""
    assert survivors("left alone") == 2**21
    if not torch.backends.openmp.is_available():
        pytest.skip("torch has threads of another kind")
    assert 0 < survivors("too late") < 2**21


SAMPLES = """
import json, sys
import torch
import unmask
if sys.argv[1] == "flush":
    unmask.flush_denormals()
found = {}
for dtype in (torch.float32, torch.bfloat16):
    for name, sampler, options in [
        ("text8s-any", unmask.SelfSpeculative(), {"length": 40}),
        ("text8s-any", unmask.Ancestral(num_steps=12), {"prompt": "the art of ", "length": 40}),
        ("text8s", unmask.Lossless(), {"length": 40}),
        ("arithmetic", None, {"prompt": "12+34="}),
        ("arithmetic-drafter", unmask.Threshold(threshold=0.6), {"prompt": "12+34="}),
    ]:
        model = unmask.load(name, dtype=dtype)
        samples = model.generate(sampler=sampler, num_samples=4, **options)
        key = f"{name} {type(sampler).__name__} {dtype}"
        found[key] = [[sample.token_ids, sample.trunk_passes] for sample in samples]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_samples_of_shipped_models_are_the_same():
    left, flushed = (json.loads(printed(SAMPLES, choice)) for choice in ("leave", "flush"))
    assert len(left) == 10
    assert flushed == left
