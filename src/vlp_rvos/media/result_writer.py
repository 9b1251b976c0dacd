"""The interface of everything that writes the results of a run, one frame at a time.

A writer works beside the final name and takes that name only when it is complete, so a failed run leaves earlier
results as they were.
"""

from __future__ import annotations

from abc import abstractmethod

from vlp_rvos.results import FrameResult
from vlp_rvos.utils.atomic import AtomicWriter

__all__ = ["ResultWriter"]


class ResultWriter(AtomicWriter):
    """Takes the results of a run, one frame at a time."""

    @abstractmethod
    def write(self, result: FrameResult) -> None:
        """Take the next frame."""
