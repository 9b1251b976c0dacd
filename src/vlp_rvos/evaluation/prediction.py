"""What the evaluation needs of a model: a function from frames and expressions to masks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FramePrediction", "Predictor", "each_frame_alone"]


class FramePrediction(Protocol):
    """What a model predicts for one frame and E expressions; `vlp_rvos.results.FrameResult` is one."""

    @property
    def masks(self) -> Any:
        """(E, H, W) bool array, the mask of each expression at the size of the frame."""

    @property
    def presences(self) -> Any:
        """(E,) confidence that the target of each expression is in the frame, in [0, 1]."""

    @property
    def scores(self) -> Any:
        """(E,) confidence in each mask, in [0, 1]."""


Predictor = Callable[[Iterable[NDArray[np.uint8]], list[str]], Iterable[FramePrediction]]
"""A function that takes the frames of a video, (H, W, 3) uint8 RGB, and E expressions, and yields one prediction for
each frame. It should read the frames lazily, so that memory does not grow with the video."""


def each_frame_alone(predict: Predictor) -> Predictor:
    """A predictor that sees each frame as a video of its own, so that it knows nothing of time."""

    def predict_alone(frames: Iterable[NDArray[np.uint8]], expressions: list[str]) -> Iterator[FramePrediction]:
        for frame in frames:
            yield from predict([frame], expressions)

    return predict_alone
