"""A segmenter that needs no model: it finds a circle for each expression and each pointed thing."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence

import numpy as np

from vlp_rvos.inference.pointing import Point
from vlp_rvos.media.video_source import VideoSource
from vlp_rvos.results import FrameResult

__all__ = ["CircleSegmenter"]


class CircleSegmenter:
    """Finds expression i at a third of the frame, and a pointed thing at its first point.

    Args:
        held: a job waits for this event after its second frame; None to wait for nothing.
        pause: seconds that each frame takes.

    Attributes:
        name: name of the model.
        version: version of the model.
    """

    name, version = "circles", "1"

    def __init__(self, held: threading.Event | None = None, pause: float = 0.0) -> None:
        self.held, self.pause = held, pause

    def segment(
        self, video: VideoSource, expressions: Sequence[str], *, points: Sequence[Point]
    ) -> Generator[FrameResult, None, None]:
        """The results, frame by frame."""
        names = (*expressions, *dict.fromkeys(point.name for point in points))
        for number, frame in enumerate(video):
            if number == 2 and self.held is not None:
                self.held.wait(20)
            time.sleep(self.pause)
            height, width = frame.image.shape[:2]
            rows, columns = np.mgrid[:height, :width]
            masks = np.zeros((len(names), height, width), bool)
            for i, name in enumerate(names):
                own = [point for point in points if point.name == name and point.include]
                x, y = (own[0].x, own[0].y) if own else (width * (1 + i) / 3, height / 2)
                masks[i] = (columns - x) ** 2 + (rows - y) ** 2 < (height / 5) ** 2
            scores = np.full(len(names), 0.8, np.float32)
            presences = np.full(len(names), 0.9, np.float32)
            yield FrameResult(frame.index, frame.time, frame.image, masks, scores, presences, names, frame.name)
