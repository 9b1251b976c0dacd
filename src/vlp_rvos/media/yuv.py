"""Frames in the yuv420p format, in which most video files store them: one plane of luma and two of chroma.

The luma plane Y has one value for each pixel. The chroma planes U and V have one value for each square of four pixels.
All values are in limited range: 16 to 235 for Y, 16 to 240 for U and V.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from vlp_rvos.arrays import Floats, Image

__all__ = [
    "DEEP_ALPHA",
    "LumaWeights",
    "copy_yuv_frame",
    "deep_alpha_frame",
    "luma_weights",
    "rgb_to_yuv",
    "yuv_planes",
]

#: Weights of red and of blue in the luma; that of green is the rest.
LumaWeights = tuple[float, float]

#: Format with 10 bits for each of Y, U, V and alpha, all at full resolution.
DEEP_ALPHA = "yuva444p10le"

BT709: LumaWeights = (0.2126, 0.0722)
BT601: LumaWeights = (0.299, 0.114)


def yuv_planes(frame: av.VideoFrame) -> tuple[Image, Image, Image]:
    """The planes of a yuv420p frame as arrays that share its memory: writing to them changes the frame.

    Returns:
        Y (H, W), U (H / 2, W / 2) and V (H / 2, W / 2), uint8.
    """
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    return y, u, v


def copy_yuv_frame(frame: av.VideoFrame, more_rows: int = 0) -> av.VideoFrame:
    """A new yuv420p frame with the same pixels.

    A decoded frame must not be drawn on: the decoder still reads it to decode later frames.

    Args:
        frame: The frame.
        more_rows: Even number of rows that the new frame has below those of the old one. They hold no picture yet.
    """
    copy = av.VideoFrame(frame.width, frame.height + more_rows, "yuv420p")
    for plane, original in zip(yuv_planes(copy), yuv_planes(frame), strict=True):
        plane[: len(original)] = original
    return copy


def luma_weights(frame: av.VideoFrame) -> LumaWeights:
    """The luma weights of a decoded frame: those of BT.709 where the file names it, otherwise the older BT.601."""
    return BT709 if frame.colorspace == Colorspace.ITU709 else BT601


def rgb_to_yuv(rgb: npt.NDArray[Any], weights: LumaWeights) -> Floats:
    """Convert colours from RGB (..., 3) in [0, 255] to Y, U, V (..., 3) in limited range, float32."""
    kr, kb = weights
    red, green, blue = np.moveaxis(rgb.astype(np.float32), -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    planes = np.stack([16 + 219 / 255 * luma, 128 + 224 / 255 * u, 128 + 224 / 255 * v], -1)
    return planes.astype(np.float32, copy=False)


def deep_alpha_frame(image: Image) -> av.VideoFrame:
    """An image (H, W, 4) uint8 RGBA, or (H, W, 3) RGB, as a frame in the format `DEEP_ALPHA`, BT.709 in limited range.

    FFmpeg's own conversion to more than 8 bits leaves a few pixels of some sizes unset, 854x48 for example.
    """
    height, width = image.shape[:2]
    frame = av.VideoFrame(width, height, DEEP_ALPHA)
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    colours = np.rint(4 * rgb_to_yuv(image[..., :3], BT709))
    alpha = np.rint(image[..., 3] * np.float32(1023 / 255)) if image.shape[2] == 4 else np.full(image.shape[:2], 1023)
    for plane, values in zip(frame.planes, [*np.moveaxis(colours, -1, 0), alpha], strict=True):
        rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
        rows[:, :width] = values
        plane.update(rows.tobytes())
    return frame
