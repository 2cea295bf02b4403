"""What is freed is kept: asking for it again does not make the system clear pages anew."""

import os
import subprocess
import sys

import pytest

CODE = """
import resource, sys
import torch
from unmask.speed.allocator import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else False
def use():
    x = torch.ones(8, 2**20)   # 32 MiB
    return x.sum()
for _ in range(10):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(choice: str, **environment: str) -> tuple[bool, int]:
    """Whether memory is kept, and the page faults of using the same amount twenty times."""
    found = subprocess.run(
        [sys.executable, "-c", CODE, choice],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return bool(int(found[0])), int(found[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator of glibc")
def test_kept_memory_is_not_cleared_anew():
    is_kept, with_it = faults("keep")
    if not is_kept:
        pytest.skip("no glibc here")
    # Without, the system is asked each time; with huge pages that are fewer faults, not none.
    assert faults("leave")[1] > 10 * max(1, with_it)


def test_what_the_environment_chose_is_left_alone():
    assert faults("keep", MALLOC_TOP_PAD_="131072")[0] is False
