"""Numbers too small for a full mantissa, taken for zero: processors are slow at the others.

The softmax of a trained network leaves many weights below 2^-126, the least normal number of
float32 and of bf16 alike. Arithmetic with such denormal numbers runs in microcode on many
processors; taken for zero they cost nothing, and a weight of 1e-38 moves no sum
(docs/performance.md). In float64 it is numbers below 1e-307.
"""


def flush_denormals() -> bool:
    """Take denormal numbers for zero, for the rest of the process; whether that was possible.

    Call it before the first parallel operation of torch: it sets a mode of the calling thread,
    which threads inherit that start later, and torch's start then. It holds for all that those
    threads compute, whosever code that is. The command line and `unmask.train` call it by
    themselves; it does nothing on processors that have no such mode, and on a GPU.
    """
    import torch  # not before it is needed: `unmask --help` does without

    return torch.set_flush_denormal(True)
