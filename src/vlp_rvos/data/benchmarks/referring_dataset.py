"""What every published benchmark offers, whatever its layout on disk: videos, frames, expressions and masks.

`docs/method.md` section 5. Shapes: (H, W) pixels of a frame as it is on disk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ReferringDataset", "ReferringExpression", "ReferringVideo"]


@dataclass(frozen=True, slots=True)
class ReferringExpression:
    """One expression about one video.

    Attributes:
        id: id of the expression, unique in its video.
        text: the expression.
        object_ids: ids of the objects that the expression refers to; empty if it refers to nothing; None if the data
            set does not tell (test sets).
        annotator: who wrote the expression, if the protocol scores annotators apart (Ref-DAVIS17); else None.
    """

    id: str
    text: str
    object_ids: tuple[int, ...] | None
    annotator: str | None = None


@dataclass(frozen=True, slots=True)
class ReferringVideo:
    """One video, or one image as a video of a single frame.

    Attributes:
        name: name of the video.
        frames: names of its frames, in their order.
        expressions: expressions about the video.
    """

    name: str
    frames: Sequence[str]
    expressions: Sequence[ReferringExpression]


class ReferringDataset(ABC):
    """A split of a benchmark, read from its official layout. Frames and masks are read only when they are asked for.

    Attributes:
        name: name of the benchmark, for example "a2d-sentences".
        split: name of the split, for example "test".
        videos: the videos, in the official order.
    """

    name: str
    split: str
    videos: Sequence[ReferringVideo]

    @abstractmethod
    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        """Pixels of a frame, (H, W, 3) uint8 RGB.

        Raises:
            UserError: the file is missing or unreadable.
        """

    @abstractmethod
    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        """Id -> mask (H, W) of every object of the video, in one frame; None if the frame has no annotation.

        Raises:
            UserError: the file is missing or unreadable.
        """

    def load_mask(self, video: str, frame: str, expression: ReferringExpression) -> NDArray[np.bool_] | None:
        """Mask (H, W) of what the expression refers to; None if the frame or the expression has no annotation."""
        objects = None if expression.object_ids is None else self.load_objects(video, frame)
        if objects is None or expression.object_ids is None:
            return None
        shape = next(iter(objects.values())).shape if objects else self.load_frame(video, frame).shape[:2]
        merged: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        for object_id in expression.object_ids:
            if object_id in objects:
                merged |= objects[object_id]
        return merged
