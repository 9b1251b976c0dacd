"""What every published benchmark gives, whatever its layout on disk.

`docs/method.md` section 5. Shapes: (H, W) pixels of a frame as it is on disk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CheckItem", "ReferringDataset", "ReferringExpression", "ReferringVideo"]


@dataclass(frozen=True, slots=True)
class ReferringExpression:
    """One expression about one video.

    Attributes:
        id: unique inside its video.
        text: the expression.
        object_ids: what it refers to, ids of the video's masks; empty when it refers to nothing; None where the
            data set does not tell (test sets).
        annotator: who wrote it, where the protocol scores annotators apart (Ref-DAVIS17).
    """

    id: str
    text: str
    object_ids: tuple[int, ...] | None
    annotator: str | None = None


@dataclass(frozen=True, slots=True)
class ReferringVideo:
    """One video (or picture, as a video of one frame): its frames' names in order and what is said about it."""

    name: str
    frames: Sequence[str]
    expressions: Sequence[ReferringExpression]


class ReferringDataset(ABC):
    """A split of a benchmark, read from its official layout. Only lists are in memory; pictures are read when asked.

    Attributes:
        name: of the benchmark, for example "a2d-sentences".
        split: of it, for example "test".
        videos: in the official order.
    """

    name: str
    split: str
    videos: Sequence[ReferringVideo]

    @abstractmethod
    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        """RGB (H, W, 3).

        Raises:
            UserError: the file is missing or unreadable.
        """

    @abstractmethod
    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        """Object id -> mask (H, W) of a frame, every object of the video; None where the frame has no annotation.

        Raises:
            UserError: the file is missing or unreadable.
        """

    def load_mask(self, video: str, frame: str, expression: ReferringExpression) -> NDArray[np.bool_] | None:
        """What the expression refers to in the frame (H, W); None where the frame or the expression has no truth."""
        objects = None if expression.object_ids is None else self.load_objects(video, frame)
        if objects is None or expression.object_ids is None:
            return None
        shape = next(iter(objects.values())).shape if objects else self.load_frame(video, frame).shape[:2]
        merged: NDArray[np.bool_] = np.zeros(shape, dtype=bool)
        for object_id in expression.object_ids:
            if object_id in objects:
                merged |= objects[object_id]
        return merged


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One line of `vlp-rvos data check`.

    Attributes:
        what: is counted, for example "validation videos".
        found: how many there are.
        expected: the official number, None where there is none.
        hint: how to get what is missing, "" where nothing is.
    """

    what: str
    found: int
    expected: int | None
    hint: str = ""

    @property
    def complete(self) -> bool:
        return self.found == self.expected if self.expected is not None else self.found > 0
