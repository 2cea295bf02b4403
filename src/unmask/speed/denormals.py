"""Numbers too small for a full mantissa, taken for zero: processors are slow at the others.

The softmax of a trained network leaves many weights below 2^-126, the least normal number of
float32 and of bf16 alike. Arithmetic with such denormal numbers runs in microcode on many
processors; taken for zero they cost nothing, and a weight of 1e-38 moves no sum
(docs/performance.md). In float64 it is numbers below 1e-307.
"""

from collections.abc import Iterator
from contextlib import contextmanager


def flush_denormals() -> bool:
    """Take denormal numbers for zero, for the rest of the process; whether that was possible.

    Call it before the first parallel operation of torch: it sets a mode of the calling thread,
    which threads inherit that start later, and torch's start then. It holds for all that those
    threads compute, whosever code that is. The command line calls it by itself; it does nothing on
    processors that have no such mode, and on a GPU.
    """
    import torch  # not before it is needed: `unmask --help` does without

    return torch.set_flush_denormal(True)


@contextmanager
def flushing_denormals() -> Iterator[None]:
    """The same for a while: the calling thread is left as it was found.

    Threads of torch that start meanwhile keep the mode.
    """
    import torch

    smallest = torch.full((1,), 2.0**-126)
    was_flushing = not bool(smallest * 0.5 > 0)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_flushing)
