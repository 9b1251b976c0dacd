"""The threads with which the tensor library computes on a CPU."""

from __future__ import annotations

import ctypes
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

__all__ = ["limit_threads", "release_threads"]

#: "soft" of `omp_pause_resource_t` in OpenMP 5.0: what the program has stored stays.
SOFT = 1
MAPPED = Path("/proc/self/maps")
_SETTING = threading.Lock()


def limit_threads(count: int) -> None:
    """Let the calling thread compute with so many threads; other threads keep theirs, where PyTorch has OpenMP."""
    # A thread that begins to compute takes over what any thread has set last. So this one has to begin before it sets
    # its own, and a new one, which knows what was set before, sets that again.
    with _SETTING, ThreadPoolExecutor(1) as new:
        torch.get_num_threads()
        common = new.submit(torch.get_num_threads).result()
        torch.set_num_threads(count)
        new.submit(torch.set_num_threads, common).result()


def release_threads() -> bool:
    """End the threads that GNU OpenMP keeps for the calling thread; they come back with its next large operation.

    Each thread that computes keeps such threads of its own. As soon as there are more of all of them than processors,
    even where most sleep, those at work do not wait for each other any more but go to sleep after every operation,
    which makes a model slower by a seventh (`benchmarks/released_threads.py`). So a thread that hands computing over
    to another should let go of its own.

    Returns:
        Whether it was done: on Linux where PyTorch runs on GNU OpenMP 5.0 or later, outside of parallel code.
    """
    if sys.platform != "linux":
        return False
    try:
        # PyTorch brings its own copy, under a name that differs from release to release.
        fields = [line.split(maxsplit=5) for line in MAPPED.read_text(errors="replace").splitlines()]
        libraries = {line[5] for line in fields if len(line) == 6 and "libgomp" in line[5].rpartition("/")[2]}
        pauses = [getattr(ctypes.CDLL(library), "omp_pause_resource_all", None) for library in libraries]
    except OSError:
        # Hidden by the system, or the file was replaced meanwhile: it goes on as it is.
        return False
    results = [pause is not None and pause(SOFT) == 0 for pause in pauses]
    return bool(results) and all(results)
