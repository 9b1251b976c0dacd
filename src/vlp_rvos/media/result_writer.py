"""The interface of everything that writes the results of a run, one frame at a time.

An output takes its final name only when it is complete, so a failed run leaves earlier results as they were.
"""

from __future__ import annotations

from abc import abstractmethod

from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.utils.atomic import AtomicWriter

__all__ = ["ResultWriter"]


class ResultWriter(AtomicWriter):
    """Writes the results of a run, one frame at a time."""

    @abstractmethod
    def write(self, result: FrameRecord) -> None:
        """Write the result of the next frame."""
