"""Fair times: what is compared runs in turns, so that the machine's other work disturbs all of it alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

__all__ = ["time_alternately"]


def time_alternately(forms: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median run time in seconds of several functions that run in turns.

    Args:
        forms: name -> function without arguments.
        rounds: number of timed runs of each function, after one run to warm up.

    Returns:
        Name -> median seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in forms}
    for round_ in range(rounds + 1):
        for name, run in forms.items():
            begun = time.perf_counter()
            run()
            if round_:
                times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in times.items()}
