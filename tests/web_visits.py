"""A visit to the page with a video chosen, and no browser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from circles import CircleSegmenter
from clips import write_video

from vlp_rvos.arrays import Image
from vlp_rvos.web.job_queue import JobQueue
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.visitor import Visitor

__all__ = ["visiting"]


@contextmanager
def visiting(folder: Path, images: Sequence[Image]) -> Iterator[Visitor]:
    """A visitor who has chosen a video of these images; files go into the folder."""
    queue = JobQueue(2)
    visitor = Visitor(folder / "visitor", CircleSegmenter(), queue, Limits())
    visitor.choose_video(write_video(folder / "dog.mp4", images))
    yield visitor
    queue.close()
