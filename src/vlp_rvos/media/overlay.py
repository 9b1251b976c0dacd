"""Draw masks, their outlines and the expressions on frames. Shapes: E expressions, (H, W) pixels of the video."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache

import av
import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Floats, Image
from vlp_rvos.media.caption import Caption, blend
from vlp_rvos.media.frame_record import Box, FrameRecord
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.media.yuv import LumaWeights, copy_yuv_frame, luma_weights, rgb_to_yuv, yuv_planes

__all__ = ["LOW_PRESENCE", "OverlayRenderer", "outline", "overlay_colours"]

#: A mask whose presence is below this is drawn with a dashed outline and a lighter fill.
LOW_PRESENCE = 0.5
#: Length of a dash and of a gap, in multiples of the outline's thickness.
DASH = 4
#: Width of a stripe where masks overlap, in multiples of the outline's thickness.
STRIPE = 4


def overlay_colours(number: int) -> npt.NDArray[np.uint8]:
    """(number, 3) uint8 RGB bright colours.

    Their hues are a golden ratio apart, which keeps the first few far from each other, however many there are.
    """
    hues = (0.382 * i % 1.0 for i in range(number))
    colours = [[round(255 * x) for x in colorsys.hsv_to_rgb(hue, 0.75, 1.0)] for hue in hues]
    return np.array(colours, dtype=np.uint8).reshape(number, 3)


class OverlayRenderer:
    """Draws results on their frames. The masks that the model is less sure of are dashed; see `LOW_PRESENCE`.

    Where masks overlap, stripes of their colours alternate, and each mask has its whole outline.

    Args:
        expressions: The E expressions, which are written in the upper left corner or below the frame, each in the
            colour of its mask.
        style: Colours, fill or outline, and the place of the expressions.
    """

    def __init__(self, expressions: Sequence[str], style: OverlayStyle | None = None) -> None:
        self.style = style or OverlayStyle()
        self.colours = self.style.apply(expressions, overlay_colours(len(expressions)))
        self._caption = Caption(expressions, self.colours)
        # All frames of a video share one drawing.
        self._drawn_caption = lru_cache(maxsize=1)(self._draw_caption)
        self._drawn_strip = lru_cache(maxsize=1)(self._draw_strip)

    def render(self, result: FrameRecord) -> Image:
        """Draw on a copy of the frame's image.

        Args:
            result: The result, with an image of the video's own size.

        Returns:
            (H, W, 3) uint8 RGB; with a legend below (H + h, W, 3), where h is even.
        """
        image = result.image.copy()
        faint = result.presences < LOW_PRESENCE
        box, fills, outlines = self._fills_and_outlines(result, faint)
        # By channel, because loops over 3 are slow.
        for channel in range(3):
            _paint(image[..., channel][box], fills, outlines, self.colours[:, channel], faint)
        blend(image, *self._drawn_caption(*image.shape[:2]))
        strip = self._drawn_strip(*image.shape[:2])
        return np.concatenate([image, strip]) if len(strip) else image

    def render_yuv(self, result: FrameRecord) -> av.VideoFrame:
        """Draw on a copy of the decoded frame, which `VideoWriter.write_yuv` takes without a conversion of colours.

        The chroma planes have half the size: four pixels share the chroma of their upper left one.

        Args:
            result: The result, with a `yuv_frame`.

        Returns:
            A yuv420p frame in limited range, of the size that `render` gives.
        """
        assert result.yuv_frame is not None
        height, width = result.masks.shape[1:]
        weights = luma_weights(result.yuv_frame)
        strip = self._drawn_strip(height, width, weights)
        frame = copy_yuv_frame(result.yuv_frame, len(strip))
        faint = result.presences < LOW_PRESENCE
        box, fills, outlines = self._fills_and_outlines(result, faint)
        colours = np.rint(rgb_to_yuv(self.colours, weights)).astype(np.uint8)
        caption, opacity = self._drawn_caption(height, width, weights)
        whole, halves = (fills, outlines), (_halve(fills), _halve(outlines))
        planes = zip(yuv_planes(frame), (1, 2, 2), (whole, halves, halves), strict=True)
        for channel, (plane, step, (to_fill, to_outline)) in enumerate(planes):
            part = plane[tuple(slice(x.start // step, x.stop // step) for x in box)]
            _paint(part, to_fill, to_outline, colours[:, channel], faint)
            blend(plane, caption[::step, ::step, channel], opacity[::step, ::step, 0])
            plane[height // step :] = strip[::step, ::step, channel]
        return frame

    def _draw_caption(
        self, height: int, width: int, weights: LumaWeights | None = None
    ) -> tuple[npt.NDArray[np.uint8] | Floats, Floats]:
        """Colours and opacity of the caption; the colours are Y, U, V where luma weights are given, otherwise RGB."""
        if self.style.legend != "inside":
            return np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0, 1), np.float32)
        colours, opacity = self._caption.draw(height, width)
        return colours if weights is None else rgb_to_yuv(colours, weights), opacity

    def _draw_strip(self, height: int, width: int, weights: LumaWeights | None = None) -> Image:
        """The strip (h, W, 3) below the frame, in RGB, or in Y, U, V where luma weights are given."""
        if self.style.legend != "below":
            return np.zeros((0, width, 3), np.uint8)
        strip = self._caption.draw_strip(height, width)
        return strip if weights is None else np.rint(rgb_to_yuv(strip, weights)).astype(np.uint8)

    def _fills_and_outlines(
        self, result: FrameRecord, faint: npt.NDArray[np.bool_]
    ) -> tuple[Box, npt.NDArray[np.uint8] | None, npt.NDArray[np.uint8] | None]:
        """The part of the frame to draw on, and for its pixels (h, w) the ids of the objects to fill and to outline.

        The outlines of the objects that are `faint` (E,) are dashed. What the style leaves out is None.
        """
        height, width = result.masks.shape[1:]
        # An outline alone is twice as thick as one around a fill.
        weight = 4 if self.style.drawing == "outline" else 2
        thickness = max(1, round(weight * min(height, width) / 720))
        # An outline is where labels differ, so what surrounds the masks must be seen. Even, as four pixels share a
        # chroma.
        rows, columns = result.box
        top, bottom = _widen(rows, thickness, height)
        left, right = _widen(columns, thickness, width)
        box = slice(top, bottom), slice(left, right)
        around = (rows.start - top, bottom - rows.stop), (columns.start - left, right - columns.stop)
        fills = np.pad(result.labels, around)
        masks = result.masks[:, *box]
        shared = _shared(masks) if len(masks) > 1 else None
        outlines = None
        if self.style.drawing != "fill":
            outlines = fills * outline(fills, thickness)
            if shared is not None and shared.any():
                for i in np.argsort(result.scores, kind="stable"):
                    if (masks[i] & shared).any():
                        np.copyto(outlines, np.uint8(i + 1), where=outline(masks[i].view(np.uint8), thickness))
            if faint.any():
                # Stripes across the frame, which stay in place from frame to frame, cut the outlines into dashes.
                gap = _stripes(box, DASH * thickness) % 2 == 1
                outlines[gap & np.concatenate([[False], faint])[outlines]] = 0
        if self.style.drawing == "outline":
            return box, None, outlines
        if shared is not None and shared.any():
            _hatch(fills, masks, shared, _stripes(box, STRIPE * thickness))
        return box, fills, outlines


def outline(labels: npt.NDArray[np.uint8], thickness: int) -> npt.NDArray[np.bool_]:
    """Pixels of objects that have another label near them.

    Args:
        labels: (H, W) object ids; 0 is background.
        thickness: Distance in pixels, up, down or sideways, within which the other label lies.

    Returns:
        (H, W) bool.
    """
    edge = np.zeros(labels.shape, dtype=bool)
    for distance in range(1, thickness + 1):
        vertical = labels[distance:] != labels[:-distance]
        edge[distance:] |= vertical
        edge[:-distance] |= vertical
        horizontal = labels[:, distance:] != labels[:, :-distance]
        edge[:, distance:] |= horizontal
        edge[:, :-distance] |= horizontal
    edge &= labels > 0
    return edge


def _halve(ids: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.uint8] | None:
    """The ids of every second pixel in both directions."""
    return None if ids is None else np.ascontiguousarray(ids[::2, ::2])


def _stripes(box: Box, width: int) -> npt.NDArray[np.int64]:
    """Numbers of diagonal stripes (h, w), whose place in the frame does not depend on the box."""
    rows, columns = box
    return (np.arange(rows.start, rows.stop)[:, None] + np.arange(columns.start, columns.stop)) // width


def _shared(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pixels (h, w) that several of the masks (E, h, w) have."""
    seen, shared = masks[0].copy(), np.zeros(masks.shape[1:], dtype=bool)
    for mask in masks[1:]:
        shared |= seen & mask
        seen |= mask
    return shared


def _hatch(
    fills: npt.NDArray[np.uint8],
    masks: npt.NDArray[np.bool_],
    shared: npt.NDArray[np.bool_],
    stripes: npt.NDArray[np.int64],
) -> None:
    """Give the pixels that masks share to these masks in turn, stripe by stripe. `fills` is changed in place."""
    number = np.maximum(np.count_nonzero(masks, axis=0), 1)
    turn = (stripes % number).astype(np.uint8)
    before = np.zeros(shared.shape, np.uint8)
    for i, mask in enumerate(masks, start=1):
        np.copyto(fills, np.uint8(i), where=mask & shared & (before == turn))
        before += mask


def _widen(part: slice, margin: int, side: int) -> tuple[int, int]:
    """Start and stop of a slice with a margin on both sides, moved outwards to even numbers, inside of [0, side]."""
    return max(0, part.start - margin) // 2 * 2, min(side, -(-(part.stop + margin) // 2) * 2)


def _paint(
    plane: npt.NDArray[np.uint8],
    fills: npt.NDArray[np.uint8] | None,
    outlines: npt.NDArray[np.uint8] | None,
    colours: npt.NDArray[np.uint8],
    faint: npt.NDArray[np.bool_],
) -> None:
    """Draw on one channel (h, w) in place: objects half in the colours (E,), faint ones a quarter, outlines wholly.

    All arithmetic is in uint8, which is faster.
    """
    if fills is not None:
        half = plane >> 1
        for i, (colour, is_faint) in enumerate(zip(colours, faint, strict=True), start=1):
            filled = half + (half >> 1) + colour // 4 if is_faint else half + colour // 2
            # Copying by a mask goes from run to run: it is many times as fast as choosing pixels by index.
            np.copyto(plane, filled, where=fills == i)
    if outlines is not None:
        for i, colour in enumerate(colours, start=1):
            np.copyto(plane, colour, where=outlines == i)
