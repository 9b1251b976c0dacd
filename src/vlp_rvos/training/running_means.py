"""Means of the numbers that training steps produce, from one log entry to the next."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping

__all__ = ["RunningMeans"]


class RunningMeans:
    """Means since the last `take`.

    Attributes:
        samples: number of samples since then; the trainer counts them here.
    """

    def __init__(self) -> None:
        self.sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        self.samples, self.since = 0, time.monotonic()

    def add(self, numbers: Mapping[str, float]) -> None:
        """Include one value of each number."""
        for name, value in numbers.items():
            total = self.sums[name]
            total[0] += value
            total[1] += 1

    def means(self, *names: str) -> dict[str, float]:
        """The means of those of the numbers that have a value."""
        return {name: self.sums[name][0] / self.sums[name][1] for name in names if name in self.sums}

    def take(self, elapsed: float) -> dict[str, float]:
        """All means, the samples per second and the run's `elapsed` seconds; then start again."""
        now = time.monotonic()
        rate = self.samples / max(now - self.since, 1e-9)
        numbers = self.means(*self.sums) | {"samples_per_second": rate, "seconds": elapsed}
        self.sums.clear()
        self.samples, self.since = 0, now
        return numbers
