"""How much memory something took at its highest.

On a GPU, what torch has allocated. On a CPU, the process as a whole as Linux counts it (VmHWM in
/proc/self/status, which writing 5 to /proc/self/clear_refs sets back to what is in use now);
elsewhere it is not known.
"""

import math
import re
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def restart_peak(device: torch.device) -> None:
    """Count anew from what is in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        _CLEAR.write_text("5", encoding="utf-8")
    except OSError:
        return  # another system, or not allowed: the peak is then that of the whole process


def peak_bytes(device: torch.device) -> float:
    """The highest use since then."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="utf-8"))
    except OSError:
        found = None
    return float(found.group(1)) * 1024 if found else math.nan
