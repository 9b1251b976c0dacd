"""What the evaluation needs to know of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FramePrediction", "Predictor"]


class FramePrediction(Protocol):
    """What a predictor says of one frame; `vlp_rvos.results.FrameResult` is one."""

    @property
    def masks(self) -> Any:
        """(E, H, W) bool array, one mask for each expression, at the frame's own size."""

    @property
    def presences(self) -> Any:
        """(E,) how sure the model is that each expression refers to something in the frame, in [0, 1]."""

    @property
    def scores(self) -> Any:
        """(E,) how good the model thinks each mask is, in [0, 1]."""


Predictor = Callable[[Iterable[NDArray[np.uint8]], list[str]], Iterable[FramePrediction]]


"""From the frames of a video, (H, W, 3) uint8 RGB, and E expressions to one prediction per frame, lazily."""
