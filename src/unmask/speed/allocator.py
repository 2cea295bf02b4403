"""The C allocator, told to keep the memory that it is given back.

A network pass on a CPU allocates and frees tensors of megabytes. By its defaults glibc returns
such memory to the system at once and asks for it again in the next layer, and the system clears
every page of it anew. Kept, a pass of many sequences takes about two thirds of the time
(docs/performance.md). The price: the process stays as large as it once was.
"""

import ctypes
import os
import sys

# From glibc's malloc.h: which allocations bypass the heap, when the heap shrinks, how it grows.
_M_MMAP_MAX, _M_TRIM_THRESHOLD, _M_TOP_PAD = -4, -1, -2
_SETTINGS = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, 64 * 2**20))
_OWN_CHOICES = ("MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Keep freed memory for the rest of the process; whether that was possible.

    The command line does so by itself. It does nothing where there is no glibc, and where the
    environment sets malloc's options already.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _OWN_CHOICES):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all([mallopt(*setting) for setting in _SETTINGS])
