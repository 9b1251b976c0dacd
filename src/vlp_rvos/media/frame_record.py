"""What is said about one frame of a video: its masks, and how sure the model is of them.

`vlp_rvos.results.FrameResult` is what users get; the writers of this folder need no more than this. `[D]` marks
our own decisions; `docs/method.md` explains the marks. Shapes: E expressions, (H, W) the video's own size in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import av
import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Floats, Image
from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import short_repr

__all__ = ["MAX_OBJECTS", "Box", "FrameRecord", "label_map"]

#: Expressions that `repr` of a result shows.
SHOWN = 3
#: A part of a frame: (rows, columns).
Box = tuple[slice, slice]


@dataclass(frozen=True, repr=False)
class FrameRecord:
    """The masks of all expressions in one frame, and how sure the model is of them.

    Attributes:
        index: number of the frame in the video, counted from 0 at or after the start of the selection.
        time: seconds from the start of the video.
        image: (H, W, 3) uint8 RGB image of the frame. It has the network's size instead if `Segmenter.segment` was
            called with `images=False`.
        masks: (E, H, W) bool masks, one for each expression.
        scores: (E,) float32 in [0, 1]: mean foreground probability inside the mask, times presence; 0 for an empty
            mask. [D]
        presences: (E,) float32 in [0, 1]: probability that the expression's target is in the frame. [D]
        expressions: the E expressions.
        name: file stem of the frame in a folder of frames, otherwise its index with five digits.
        yuv_frame: the frame as it was decoded, for sources that give it besides a smaller `image`; see `VideoFrame`.

    Raises:
        ValueError: a value has another type, shape or range than said above. The message names it.
    """

    index: int
    time: float
    image: Image
    masks: npt.NDArray[np.bool_]
    scores: Floats
    presences: Floats
    expressions: tuple[str, ...]
    name: str
    yuv_frame: av.VideoFrame | None = None

    def __post_init__(self) -> None:
        _check(self.masks, "masks", np.bool_, 3)
        _check(self.image, "image", np.uint8, 3)
        if self.image.shape[2] != 3:
            raise ValueError(f"image must be (H, W, 3) uint8, not {self.image.shape}")
        for name in ("scores", "presences"):
            values = getattr(self, name)
            _check(values, name, np.float32, 1)
            # Also false for what is not a number. Plain numbers are faster than arrays of so few.
            if not all(0 <= value <= 1 for value in values.tolist()):
                raise ValueError(f"{name} must lie in [0, 1], not {values.tolist()}")
        lengths = {name: len(getattr(self, name)) for name in ("masks", "scores", "presences", "expressions")}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"there must be as many of each: {lengths}")
        given: object = self.expressions
        if not isinstance(given, tuple) or not all(isinstance(one, str) for one in given):
            raise ValueError(f"expressions must be a tuple of texts, not {short_repr(self.expressions)}")
        if self.index < 0 or not math.isfinite(self.time):
            raise ValueError(f"index must not be negative, and time must be finite: {self.index}, {self.time}")

    def __repr__(self) -> str:
        """One short line: what frame it is, and what is in it."""
        count, height, width = self.masks.shape
        found = "; ".join(
            f"{short_repr(text)} {100 * mask.mean():.1f} % score {score:.2f} presence {presence:.2f}"
            for text, mask, score, presence in zip(
                self.expressions[:SHOWN], self.masks, self.scores, self.presences, strict=False
            )
        )
        more = f"; {count - SHOWN} more" if count > SHOWN else ""
        where = f"index={self.index}, time={self.time:.3f}, name={short_repr(self.name)}, {width}x{height}"
        return f"{type(self).__name__}({where}: {found}{more})"

    @cached_property
    def box(self) -> Box:
        """Rows and columns of the smallest box around all masks; an empty box if all masks are empty."""
        rows = np.flatnonzero(self.masks.any(axis=(0, 2)))
        if not rows.size:
            return slice(0, 0), slice(0, 0)
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        columns = np.flatnonzero(self.masks[:, top:bottom].any(axis=(0, 1)))
        return slice(top, bottom), slice(int(columns[0]), int(columns[-1]) + 1)

    @cached_property
    def labels(self) -> npt.NDArray[np.uint8]:
        """(h, w) uint8 object ids inside `box`, see `label_map`."""
        return label_map(self.masks[:, *self.box], self.scores)

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool mask of the first expression."""
        mask: npt.NDArray[np.bool_] = self.masks[0]
        return mask

    @property
    def score(self) -> float:
        """Score of the first expression, in [0, 1]."""
        return float(self.scores[0])

    @property
    def presence(self) -> float:
        """Presence of the first expression, in [0, 1]."""
        return float(self.presences[0])


def _check(values: object, name: str, dtype: type[np.generic], dimensions: int) -> None:
    """Check the type and the number of dimensions of an array."""
    if not isinstance(values, np.ndarray):
        raise ValueError(f"{name} must be an array of {dtype.__name__}, not {type(values).__name__}")
    if values.dtype != dtype or values.ndim != dimensions:
        raise ValueError(f"{name} must be {dimensions}-dimensional {dtype.__name__}, not {values.shape} {values.dtype}")


#: Number of objects that a palette image can tell apart, besides the background.
MAX_OBJECTS = 255


def label_map(masks: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Merge masks into one map of object ids.

    Args:
        masks: (E, H, W) bool masks.
        scores: (E,) scores; where masks overlap, the one with the best score wins.

    Returns:
        (H, W) uint8 object ids: 1 to E in the order of the masks, 0 for the background.

    Raises:
        UserError: there are more masks than object ids.
    """
    if len(masks) > MAX_OBJECTS:
        raise UserError(f"{len(masks)} expressions: a palette image holds {MAX_OBJECTS} objects at most")
    labels = np.zeros(masks.shape[1:], dtype=np.uint8)
    for i in np.argsort(scores, kind="stable"):
        np.copyto(labels, np.uint8(i + 1), where=masks[i])
    return labels
