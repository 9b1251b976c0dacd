"""The colour planes of a decoded yuv420p frame as NumPy arrays."""

from __future__ import annotations

import av
import numpy as np

from vlp_rvos.arrays import Image

__all__ = ["copy_picture", "plane_views"]


def plane_views(picture: av.VideoFrame) -> tuple[Image, Image, Image]:
    """Brightness (H, W) and both colours (H / 2, W / 2) of a yuv420p frame, uint8; to write there changes the frame."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in picture.planes
    )
    return y, u, v


def copy_picture(picture: av.VideoFrame) -> av.VideoFrame:
    """The pixels of a yuv420p frame in a new one, to be drawn on: a decoder still reads what it has given away."""
    copy = av.VideoFrame(picture.width, picture.height, "yuv420p")
    for plane, original in zip(plane_views(copy), plane_views(picture), strict=True):
        plane[:] = original
    return copy
