"""Control the CPU threads that PyTorch computes with.

PyTorch computes with OpenMP: each thread of the program that calls PyTorch gets threads of its own to compute with.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["limit_threads", "release_threads"]

#: `omp_pause_soft` of OpenMP 5.0: threads end, the program's data stays.
OMP_PAUSE_SOFT = 1
_SETTING = threading.Lock()


def limit_threads(count: int) -> None:
    """Set how many threads PyTorch computes with when the calling thread calls it; other callers keep their number.

    Without OpenMP, all threads of the program share one setting, which this changes.
    """
    # A thread's first computation takes over the number that was set last in any thread. So this thread computes first
    # and then sets its own number, and a new thread, which took over the number of before, sets that again.
    with _SETTING, ThreadPoolExecutor(1) as new:
        torch.get_num_threads()
        common = new.submit(torch.get_num_threads).result()
        torch.set_num_threads(count)
        new.submit(torch.set_num_threads, common).result()


def release_threads() -> bool:
    """End the idle OpenMP threads of the calling thread; its next large operation starts them again.

    As soon as a program has more OpenMP threads than processors, idle ones included, threads at work no longer wait
    actively for each other but go to sleep after every operation, which makes a model slower by a seventh
    (`benchmarks/released_threads.py`). So a thread that leaves the computing to another should release its own.

    Returns:
        Whether threads were released: only where PyTorch computes with GNU OpenMP 5.0 or later (on Linux), and not
        within parallel code.
    """
    try:
        # PyTorch brings a copy of its own, whose name differs from release to release.
        libraries = [each.dynlib for each in ThreadpoolController().lib_controllers if each.prefix == "libgomp"]
    except OSError:
        # The library's file was replaced after it had been loaded.
        return False
    pauses = [getattr(library, "omp_pause_resource_all", None) for library in libraries]
    results = [pause is not None and pause(OMP_PAUSE_SOFT) == 0 for pause in pauses]
    return bool(results) and all(results)
