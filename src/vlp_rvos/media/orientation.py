"""How a viewer turns and mirrors the frames of a video file, which a camera stores as its sensor lies."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Self

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image, Size

__all__ = ["Orientation"]

#: Size of a display matrix: 3 x 3 numbers of 32 bits.
MATRIX_BYTES = 36

EXIF_ORIENTATION = 0x0112
#: EXIF orientation -> transposed, upside down, mirrored. The first, as stored, leaves the word to the container.
EXIF_ORIENTATIONS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


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
    def of(cls, frame: av.VideoFrame, packet: bytes = b"") -> Self:
        """Read the display matrix of a decoded frame; angles between are rounded to a multiple of 90 degrees.

        Read it from one frame for the whole video: a frame whose side data was looked at is in a reference cycle, and
        keeps its pixels until the garbage collector runs.

        Args:
            frame: The decoded frame.
            packet: What it was decoded from. A packet of motion JPEG is a picture, which may have EXIF data.
        """
        try:
            data = frame.side_data.get(SideDataType.DISPLAYMATRIX)  # type: ignore[call-overload]
        except ValueError:
            # PyAV reads no side data where there is EXIF data, which it does not know.
            if number := _exif_orientation(packet):
                return cls(*EXIF_ORIENTATIONS[number])
            turns = round(frame.rotation / 90) % 4
            return cls(turns % 2 == 1, upside_down=turns in (1, 2), mirrored=turns in (2, 3))
        if data is None or len(matrix := bytes(data)) != MATRIX_BYTES:
            return cls()
        # x' = a x + c y and y' = b x + d y, with y downwards.
        (a, b), (c, d) = np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2].tolist()
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


def _exif_orientation(picture: bytes) -> int | None:
    """The orientation other than the usual one that a picture's EXIF data states, 2 to 8."""
    try:
        with PillowImage.open(io.BytesIO(picture)) as image:
            number = image.getexif().get(EXIF_ORIENTATION)
    # Pillow raises many kinds of exceptions for broken data, none of which may stop the reading of the video.
    except Exception:
        return None
    return number if number in EXIF_ORIENTATIONS else None
