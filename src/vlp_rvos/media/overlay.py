"""Draw masks, outlines and expressions on frames, and write them as a video. Shapes: E expressions, (H, W) the
video's own size.
"""

from __future__ import annotations

import colorsys
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace
from PIL import Image as PillowImage
from PIL import ImageDraw

from vlp_rvos.arrays import Image
from vlp_rvos.media.fonts import Font, drawable, font_for
from vlp_rvos.media.planes import copy_picture, plane_views
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.video_writer import VideoWriter
from vlp_rvos.results import FrameResult

__all__ = ["OverlayRenderer", "OverlayWriter", "overlay_colours"]

BOX_OPACITY = 0.55


# Weights of red and blue in the luma; files that say nothing mean the older ones.
BT709, BT601 = (0.2126, 0.0722), (0.299, 0.114)


MAX_CAPTION = 200


def overlay_colours(number: int) -> npt.NDArray[np.uint8]:
    """(number, 3) bright colours: hues a golden ratio apart, so any first few of them are far from each other."""
    hues = (0.382 * i % 1.0 for i in range(number))
    return np.array([[round(255 * x) for x in colorsys.hsv_to_rgb(hue, 0.75, 1.0)] for hue in hues], dtype=np.uint8)


class OverlayRenderer:
    """Draws masks, their outlines and the expressions on frames.

    Args:
        expressions: one colour each; they stand in the top left corner, on a translucent box.
    """

    def __init__(self, expressions: Sequence[str]) -> None:
        texts = (" ".join(x.split()) for x in expressions)
        self.expressions = [x if len(x) <= MAX_CAPTION else x[: MAX_CAPTION - 3] + "..." for x in texts]
        self.colours = overlay_colours(len(self.expressions))
        # Frames of one video share it.
        self._caption = lru_cache(maxsize=1)(self._make_caption)

    def render(self, result: FrameResult) -> Image:
        """A new image (H, W, 3) uint8 RGB of the frame's size."""
        image = result.image.copy()
        box, labels, edge = self._drawing(result)
        # By channel, because loops over 3 are slow.
        for channel in range(3):
            _paint(image[..., channel][box], labels, edge, self.colours[:, channel])
        self._draw_caption(image)
        return image

    def render_picture(self, result: FrameResult) -> av.VideoFrame:
        """The same on a copy of the frame as it was decoded, for `VideoWriter.write_picture`.

        Colours come at half of the size, each from the upper left one of four pixels.

        Args:
            result: with its `picture`.
        """
        assert result.picture is not None
        height, width = result.masks.shape[1:]
        picture = copy_picture(result.picture)
        box, labels, edge = self._drawing(result)
        kr_kb = BT709 if result.picture.colorspace == Colorspace.ITU709 else BT601
        colours = np.rint(_luma_and_chroma(self.colours, kr_kb)).astype(np.uint8)
        caption, opacity = self._caption(height, width, kr_kb)
        halved = np.ascontiguousarray(labels[::2, ::2]), np.ascontiguousarray(edge[::2, ::2])
        drawings = ((labels, edge), halved, halved)
        for channel, (plane, step, drawing) in enumerate(zip(plane_views(picture), (1, 2, 2), drawings, strict=True)):
            part = plane[tuple(slice(x.start // step, x.stop // step) for x in box)]
            _paint(part, *drawing, colours[:, channel])
            _blend(plane, caption[::step, ::step, channel], opacity[::step, ::step, 0])
        return picture

    def _drawing(self, result: FrameResult) -> tuple[tuple[slice, ...], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """The part of the frame to draw on, and there: labels, and which pixels are outline; both (h, w)."""
        size = result.masks.shape[1:]
        thickness = max(1, round(2 * min(size) / 720))
        # Outlines are made of what differs: they need to see what is around the masks. Four pixels share one colour.
        box = tuple(
            slice(max(0, part.start - thickness) // 2 * 2, min(side, -(-(part.stop + thickness) // 2) * 2))
            for part, side in zip(result.box, size, strict=True)
        )
        around = [(part.start - wide.start, wide.stop - part.stop) for part, wide in zip(result.box, box, strict=True)]
        labels = np.pad(result.labels, around)
        return box, labels, _edges(labels, thickness)

    def _draw_caption(self, image: Image) -> None:
        colours, opacity = self._caption(*image.shape[:2])
        _blend(image, colours, opacity)

    def _make_caption(
        self, height: int, width: int, kr_kb: tuple[float, float] | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The box with the expressions: colours (h, w, 3) in [0, 255], opacity (h, w, 1) in [0, 1].

        Colours are RGB, or with the weights of red and blue in the luma Y, U, V.
        """
        size = max(10, round(min(height, width) / 24))
        font = font_for("".join(self.expressions), size)
        margin = max(2, size // 3)
        lines = [
            (line, tuple(colour.tolist()))
            for text, colour in zip(self.expressions, self.colours, strict=True)
            for line in _wrapped(drawable(text, font), font, max(1, width - 4 * margin))
        ]
        step = round(1.3 * size)
        longest = max(font.getlength(line) for line, _ in lines)
        box_size = (min(width, round(longest) + 2 * margin), min(height, len(lines) * step + 2 * margin))
        box = PillowImage.new("RGB", box_size)
        opacity = PillowImage.new("L", box_size, round(255 * BOX_OPACITY))
        for i, (line, colour) in enumerate(lines):
            place = (margin, margin + i * step)
            ImageDraw.Draw(box).text(place, line, font=font, fill=colour)
            ImageDraw.Draw(opacity).text(place, line, font=font, fill=255)
        colours = np.asarray(box, np.float32) if kr_kb is None else _luma_and_chroma(np.asarray(box), kr_kb)
        return colours, np.asarray(opacity, np.float32)[..., None] / np.float32(255)


class OverlayWriter(ResultWriter):
    """Writes the rendered frames as an H.264 mp4 of the video's size and timing (see `VideoWriter`).

    Args:
        path: of the mp4.
        expressions: see `OverlayRenderer`.
        fps: average frame rate of the written frames.
    """

    def __init__(self, path: Path, expressions: Sequence[str], fps: float) -> None:
        self.renderer = OverlayRenderer(expressions)
        self.video = VideoWriter(path, fps)

    def write(self, result: FrameResult) -> None:
        if result.picture is None:
            self.video.write(self.renderer.render(result), result.time)
        else:
            self.video.write_picture(self.renderer.render_picture(result), result.time, result.picture)

    def close(self) -> None:
        self.video.close()

    def discard(self) -> None:
        self.video.discard()


def _paint(
    plane: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    edge: npt.NDArray[np.bool_],
    colours: npt.NDArray[np.uint8],
) -> None:
    """Objects half, outlines wholly in the colours (E,) on one channel (h, w), in place and without leaving uint8."""
    half = plane >> 1
    for i, colour in enumerate(colours, start=1):
        inside = labels == i
        # Copying by a mask goes from run to run: it is many times as fast as choosing pixels by index.
        np.copyto(plane, half + colour // 2, where=inside)
        inside &= edge
        np.copyto(plane, colour, where=inside)


def _blend(image: Image, colours: npt.NDArray[np.float32], opacity: npt.NDArray[np.float32]) -> None:
    corner = image[: colours.shape[0], : colours.shape[1]]
    corner[:] = np.rint((1 - opacity) * corner + opacity * colours)


def _luma_and_chroma(rgb: npt.NDArray[Any], kr_kb: tuple[float, float]) -> npt.NDArray[np.float32]:
    """RGB (..., 3) in [0, 255] -> Y, U, V (..., 3) in limited range."""
    kr, kb = kr_kb
    red, green, blue = np.moveaxis(rgb.astype(np.float32), -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    planes = np.stack([16 + 219 / 255 * luma, 128 + 224 / 255 * u, 128 + 224 / 255 * v], -1)
    return planes.astype(np.float32, copy=False)


def _edges(labels: npt.NDArray[np.uint8], thickness: int) -> npt.NDArray[np.bool_]:
    """Pixels of objects that are at most `thickness` away, up, down or sideways, from another label; (H, W) bool."""
    edge = np.zeros(labels.shape, dtype=bool)
    for distance in range(1, thickness + 1):
        across = labels[distance:] != labels[:-distance]
        edge[distance:] |= across
        edge[:-distance] |= across
        along = labels[:, distance:] != labels[:, :-distance]
        edge[:, distance:] |= along
        edge[:, :-distance] |= along
    edge &= labels > 0
    return edge


def _wrapped(text: str, font: Font, width: int) -> list[str]:
    """Lines of at most `width` pixels (or one letter); long words are broken."""
    letters = min(len(text), 1 + round(1.5 * len(text) * width / font.getlength(text)))
    while letters > 1:
        lines = textwrap.wrap(text, letters)
        if all(font.getlength(line) <= width for line in lines):
            return lines
        letters -= 1
    return textwrap.wrap(text, 1)
