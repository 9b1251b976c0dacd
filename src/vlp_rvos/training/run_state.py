"""How far a training run has come."""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["Clock", "Progress"]


@dataclass
class Progress:
    """How far a run has come; a checkpoint holds it.

    Attributes:
        step: number of optimizer steps so far, skipped ones included.
        position: index of the next sample.
        elapsed: seconds of training so far, over all parts of an interrupted run.
        skipped: number of steps left out because the loss or the gradient was not finite.
        skipped_in_row: number of steps that were just left out one after another.
    """

    step: int = 0
    position: int = 0
    elapsed: float = 0.0
    skipped: int = 0
    skipped_in_row: int = 0


class Clock:
    """Measures the time of a run and the time since its last checkpoint, both in seconds.

    Args:
        elapsed: seconds of the run's earlier parts, which count as well.
    """

    def __init__(self, elapsed: float) -> None:
        self.last_saved = time.monotonic()
        self.started = self.last_saved - elapsed

    def elapsed(self) -> float:
        """Seconds of the run so far."""
        return time.monotonic() - self.started

    def since_saved(self) -> float:
        """Seconds since the last `mark_saved`, or since the clock was made."""
        return time.monotonic() - self.last_saved

    def mark_saved(self) -> None:
        """Note that a checkpoint has just been written."""
        self.last_saved = time.monotonic()
