"""How far a training run has come, and what it has measured since the last log entry."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Clock", "RunningMeans"]


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        step: optimizer steps taken, skipped ones included.
        position: index of the next sample.
        elapsed: seconds, all parts of the run summed.
        skipped: steps left out because of a loss or gradient that was not finite.
        skipped_in_row: how many of them just now.
    """

    step: int = 0
    position: int = 0
    elapsed: float = 0.0
    skipped: int = 0
    skipped_in_row: int = 0


class Clock:
    """Seconds of a run, earlier parts included, and since its last checkpoint."""

    def __init__(self, elapsed: float) -> None:
        self.last_saved = time.monotonic()
        self.started = self.last_saved - elapsed

    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def since_saved(self) -> float:
        return time.monotonic() - self.last_saved

    def saved(self) -> None:
        self.last_saved = time.monotonic()


class RunningMeans:
    """Means of numbers since they were last taken."""

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        self.samples, self.since = 0, time.monotonic()

    def add(self, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            total = self.sums[name]
            total[0] += value
            total[1] += 1

    def means(self, *names: str) -> dict[str, float]:
        return {name: self.sums[name][0] / self.sums[name][1] for name in names if name in self.sums}

    def take(self, elapsed: float) -> dict[str, float]:
        now = time.monotonic()
        rate = self.samples / max(now - self.since, 1e-9)
        numbers = self.means(*self.sums) | {"samples_per_second": rate, "seconds": elapsed}
        self.sums.clear()
        self.samples, self.since = 0, now
        return numbers
