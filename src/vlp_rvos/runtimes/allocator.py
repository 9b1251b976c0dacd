"""Let the C library keep freed memory for the next frame, instead of fetching it anew from the system each time."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

__all__ = ["keep_freed_memory"]

#: Parameters of glibc's `mallopt`, see malloc.h.
TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
#: Freed memory at the end of the heap that stays with the process, in bytes.
KEPT = 1 << 30
#: Memory that the heap grows by at once, in bytes.
GROWTH = 64 << 20
#: The largest size, in bytes, that glibc lets come from the heap.
LARGEST_ON_HEAP = 32 << 20


@cache
def keep_freed_memory() -> bool:
    """Set up the allocator of this process, where it is glibc's; once is enough.

    The maps of a frame are of some 10 MB each. By default glibc gives such memory back to the system when it is freed,
    and the system must clear every page before the next frame gets it: thousands of page faults a frame, which take up
    to a tenth of the time (`benchmarks/page_faults.py`). The process keeps at most 1 GiB that it had used before.

    Returns:
        Whether the settings were taken.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((TRIM_THRESHOLD, KEPT), (TOP_PAD, GROWTH), (MMAP_THRESHOLD, LARGEST_ON_HEAP))
    taken = [mallopt(name, value) == 1 for name, value in settings]
    return all(taken)
