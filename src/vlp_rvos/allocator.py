"""How the C library's allocator treats large blocks."""

from __future__ import annotations

import os
import sys

__all__ = ["keep_freed_memory"]

# Parameters of glibc's mallopt.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let freed blocks stay with the process, to be used again, for the rest of its life.

    Left to itself, glibc gives every tensor of more than 32 MB back to the system when it is freed, and gets zeroed
    pages for the next one, which takes time (`benchmarks/allocator.py`). The process holds its peak of memory from then
    on. Environment variables MALLOC_... that the user has set take precedence.

    Returns:
        Whether it was done: on Linux with glibc, and where the user has decided nothing.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    # Only here: loading it takes longer than showing help should.
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 64 << 20))
    return all(mallopt(name, value) == 1 for name, value in settings)
