"""What the user points at instead of saying it: points on things, and drawn masks, each at a time of the video.

Shapes: (H, W) the video's own size in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import SECONDS, TIME_TOLERANCE
from vlp_rvos.utils.plain_text import escape_surrogates, is_blank, short_repr
from vlp_rvos.utils.ranges import Range

__all__ = ["DEFAULT_NAME", "DrawnMask", "Point", "Pointing", "Prompt"]

#: Name of a thing that is given none.
DEFAULT_NAME = "thing 1"
#: Pixels that a point may name: no video is larger.
PIXELS = Range(0, 10**6)


@dataclass(frozen=True)
class Point:
    """A point on a thing, or on what does not belong to it.

    Attributes:
        x: pixels from the left edge of the video at its own size, from 0; fractions are allowed.
        y: pixels from its upper edge.
        time: seconds from the start of the video. The point means the first frame at or after this time.
        include: False to take the area around the point away from the thing.
        name: name of the thing; points and masks of one name mean the same thing.

    Raises:
        UserError: a number is negative or not finite, or the name is empty.
    """

    x: float
    y: float
    time: float = 0.0
    include: bool = True
    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        PIXELS.check("x of a point", self.x, UserError)
        PIXELS.check("y of a point", self.y, UserError)
        _check(self.time, self.name)

    def check_size(self, size: Size) -> None:
        """Refuse a point outside of a frame of (H, W) pixels with a `UserError`."""
        height, width = size
        if self.x >= width or self.y >= height:
            raise UserError(
                f"point {self}: it lies outside of the frame, which is {width} pixels wide and {height} high, counted "
                "from 0"
            )

    def __str__(self) -> str:
        return f"{self.x:g},{self.y:g}@{self.time:g}"


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """A mask of a thing in one frame.

    Attributes:
        mask: (H, W) bool, of the video's own size.
        time: seconds from the start of the video. The mask means the first frame at or after this time.
        name: name of the thing; points and masks of one name mean the same thing.

    Raises:
        UserError: the mask is not (H, W) bool, or empty, the time is negative or not finite, or the name is empty.
    """

    mask: npt.NDArray[np.bool_]
    time: float = 0.0
    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise UserError(f"a drawn mask must be (H, W) bool, not {self.mask.shape} {self.mask.dtype}")
        _check(self.time, self.name)
        if not self.mask.any():
            raise UserError(f"{self}: it is empty; draw the thing, or leave the mask out")

    def check_size(self, size: Size) -> None:
        """Refuse a mask that is not of the size (H, W) of the frames with a `UserError`."""
        if self.mask.shape != size:
            (height, width), (own_height, own_width) = size, self.mask.shape
            raise UserError(
                f"{self}: it is {own_width}x{own_height}, but the video is {width}x{height}; draw it on a frame of "
                "the video's own size"
            )

    def __str__(self) -> str:
        return f"mask of {short_repr(self.name)} at {self.time:g} s"


Prompt = Point | DrawnMask


def _check(time: float, name: str) -> None:
    SECONDS.check("time of what is pointed at", time, UserError)
    if is_blank(name):
        raise UserError("the name of a thing that is pointed at is empty: give it one, or leave it out")


@dataclass(frozen=True)
class Pointing:
    """All points and drawn masks of a run.

    Attributes:
        prompts: the points and masks, by time.
        names: names of the P things, in the order in which they were given.
    """

    prompts: tuple[Prompt, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, points: Iterable[Point] = (), masks: Iterable[DrawnMask] = ()) -> Pointing:
        """Join points and masks.

        Raises:
            UserError: of a thing only what does not belong to it is given.
        """
        given: list[Prompt] = [*points, *masks]
        # What is not UTF-8, such as a byte of another encoding typed into a terminal, cannot be written.
        given = [replace(prompt, name=escape_surrogates(prompt.name)) for prompt in given]
        pointing = cls(
            tuple(sorted(given, key=lambda prompt: prompt.time)), tuple(dict.fromkeys(one.name for one in given))
        )
        for name in pointing.names:
            first = pointing.first_time(name)
            if not any(_adds(one) and one.time == first for one in pointing.prompts if one.name == name):
                raise UserError(f"{short_repr(name)}: first point at the thing itself, then at what to take away")
        return pointing

    def __len__(self) -> int:
        """Number of things."""
        return len(self.names)

    def first_time(self, name: str) -> float:
        """Time of the first prompt of a thing, in seconds."""
        return min(prompt.time for prompt in self.prompts if prompt.name == name)

    def between(self, after: float, until: float) -> list[Prompt]:
        """The prompts for the frame at the time `until`, if the frame before it is at the time `after`."""
        return [prompt for prompt in self.prompts if after < prompt.time - TIME_TOLERANCE <= until]

    def check(self, size: Size, start: float | None, end: float | None) -> None:
        """Refuse what lies outside of a video with a `UserError`.

        Args:
            size: (H, W) of the frames.
            start: time in seconds of the first frame that is taken; None for the start of the video.
            end: time in seconds before which the last frame is taken; None for the end.
        """
        for prompt in self.prompts:
            if prompt.time < (start or 0) - TIME_TOLERANCE or prompt.time >= (math.inf if end is None else end):
                raise UserError(f"{_kind(prompt)}{prompt}: its time is not between start and end")
            prompt.check_size(size)

    def check_length(self, last: float) -> None:
        """Refuse prompts later than the last frame, whose time is given in seconds, with a `UserError`."""
        for prompt in self.prompts:
            if prompt.time - TIME_TOLERANCE > last:
                raise UserError(f"{_kind(prompt)}{prompt}: the last frame of the video is at {last:g} s")

    def reversed(self, moments: Sequence[float]) -> Pointing:
        """What is needed to follow the things back: the prompts of each one's first frame, at the time of that frame.

        Args:
            moments: time in seconds of the first frame of each thing, in the order of `names`.
        """
        time_of = dict(zip(self.names, moments, strict=True))
        firsts = [
            replace(prompt, time=time_of[prompt.name])
            for prompt in self.prompts
            if prompt.time - TIME_TOLERANCE <= time_of[prompt.name]
        ]
        return Pointing(tuple(firsts), self.names)


def _adds(prompt: Prompt) -> bool:
    return isinstance(prompt, DrawnMask) or prompt.include


def _kind(prompt: Prompt) -> str:
    return "point " if isinstance(prompt, Point) else ""
