"""How a viewer turns and mirrors the frames of a video file, which a camera stores as its sensor lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType

from vlp_rvos.arrays import Image, Size

__all__ = ["Orientation"]


@dataclass(frozen=True)
class Orientation:
    """A turn by a multiple of 90 degrees, with or without mirroring: rows and columns are exchanged, then reversed.

    Attributes:
        transposed: Whether rows of the stored frame are columns of the shown one.
        upside_down: Whether the order of the rows is reversed.
        mirrored: Whether the order of the columns is reversed.
    """

    transposed: bool = False
    upside_down: bool = False
    mirrored: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Self:
        """Read the display matrix of a decoded frame; angles between are rounded to a multiple of 90 degrees.

        Read it from one frame for the whole video: a frame whose side data was looked at is in a reference cycle, and
        keeps its pixels until the garbage collector runs.
        """
        try:
            data = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
        except ValueError:
            # FFmpeg has newer kinds of side data than PyAV knows. The angle can be read all the same.
            turns = round(frame.rotation / 90) % 4
            return cls(turns % 2 == 1, upside_down=turns in (1, 2), mirrored=turns in (2, 3))
        if data is None:
            return cls()
        # x' = a x + c y and y' = b x + d y, with y downwards.
        (a, b), (c, d) = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2].tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, upside_down=b < 0, mirrored=c < 0)
        return cls(False, upside_down=d < 0, mirrored=a < 0)

    def to_image(self, frame: av.VideoFrame) -> Image:
        """Convert a decoded frame of any size and format to the image that a viewer shows, (H, W, 3) uint8 RGB."""
        image = frame.to_ndarray(format="rgb24")
        if self.transposed:
            image = image.swapaxes(0, 1)
        image = image[:: -1 if self.upside_down else 1, :: -1 if self.mirrored else 1]
        return np.ascontiguousarray(image, dtype=np.uint8)

    def swap(self, size: Size) -> Size:
        """Turn the size of a stored frame into the size of the shown one, or the other way round."""
        return size[::-1] if self.transposed else size
