"""Masks in the run-length encoding (RLE) of COCO. Shapes: (H, W) pixels of an image.

COCO files hold the mask of an object in one of three forms:

- compressed RLE, `{"size": [H, W], "counts": "..."}`, the counts packed into text;
- uncompressed RLE, `{"size": [H, W], "counts": [...]}`, the counts as a list of numbers;
- polygons, `[[x1, y1, x2, y2, ...], ...]`, whose union is the mask.

Counts are the lengths of runs of background and foreground in turn, beginning with background, down the columns of the
image, one column after the other. `pycocotools` trusts what it is given: counts that end early or do not fill the image
make it read and write outside of its memory, empty runs make its areas wrong, and polygons of two points become boxes.
So everything that comes from a file is checked here, and brought into one form, before it is used.
Source of the format: `maskApi.c` of github.com/cocodataset/cocoapi.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from vlp_rvos.arrays import Size

__all__ = ["Rle", "compress", "decode_mask", "encode_mask", "mask_area", "mask_overlap"]

#: A compressed RLE as JSON can hold it: {"size": [H, W], "counts": text}.
Rle = dict[str, Any]

#: Pixels of the largest image that is read; a damaged size must not fill the memory.
MAX_PIXELS = 2**28
#: Pixels of the longest outline that is read, all polygons of a mask together: the work grows with it.
MAX_OUTLINE = 2**20

# One character of compressed counts holds five bits of a number, and whether more characters of it follow.
FIRST_CHARACTER = 48
BITS = 5
MORE = 1 << BITS
SIGN = MORE >> 1
MAX_CHARACTERS = 7


def encode_mask(mask: NDArray[np.bool_], place: tuple[int, int] = (0, 0), size: Size | None = None) -> Rle:
    """Encode a mask as compressed RLE.

    The ends of runs are found along the rows, in which masks lie in memory, and then sorted into the order of the
    columns: a mask has many pixels, but few runs.

    Args:
        mask: (h, w) bool, a part of the image.
        place: Row and column of the part's upper left corner in the image; everything around the part is background.
        size: (H, W) of the image, in pixels. None means that the mask is the whole image.

    Returns:
        {"size": [H, W], "counts": text}.
    """
    (top, left), (height, width) = place, size or (mask.shape[0], mask.shape[1])
    changes = np.zeros((mask.shape[0] + 1, mask.shape[1]), bool)
    if mask.size:
        changes[0], changes[-1] = mask[0], mask[-1]
        np.not_equal(mask[1:], mask[:-1], out=changes[1:-1])
    rows, columns = np.divmod(np.flatnonzero(changes), max(1, mask.shape[1]))
    ends, times = np.unique((left + columns) * height + top + rows, return_counts=True)
    # Where a run goes on from the foot of one column to the head of the next, it ends and begins in one place.
    ends = ends[(times == 1) & (ends < height * width)]
    return _pack(np.diff(ends, prepend=0, append=height * width), (height, width))


def decode_mask(segmentation: Any, size: Size | None = None) -> NDArray[np.bool_]:
    """Decode a mask from any of COCO's three forms.

    Args:
        segmentation: Compressed or uncompressed RLE, or polygons.
        size: (H, W) of the image, which the mask must have. It may be None for an RLE, which states its own size.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: The segmentation is malformed or has another size. The message is one line.
    """
    if _is_polygons(segmentation):
        return np.asarray(coco_mask.decode(_draw_polygons(segmentation, size)), dtype=bool)
    counts, (height, width) = _read_rle(segmentation, size)
    foreground = np.arange(counts.size) % 2 == 1
    return np.repeat(foreground, counts).reshape(width, height).T


def compress(segmentation: Any, size: Size | None = None) -> Rle:
    """Bring a mask from any of COCO's three forms into compressed RLE.

    See `decode_mask` for arguments and errors.
    """
    if _is_polygons(segmentation):
        rle = _draw_polygons(segmentation, size)
        return {"size": rle["size"], "counts": rle["counts"].decode("ascii")}
    return _pack(*_read_rle(segmentation, size))


def mask_area(rle: Rle) -> int:
    """Pixels of a mask that `encode_mask` or `compress` has made."""
    return int(coco_mask.area(rle))


def mask_overlap(first: Rle, second: Rle) -> tuple[int, int]:
    """Pixels of the intersection and of the union of two masks of one size; see `mask_area`."""
    pair = [first, second]
    return mask_area(coco_mask.merge(pair, intersect=True)), mask_area(coco_mask.merge(pair))


def _is_polygons(segmentation: Any) -> bool:
    return isinstance(segmentation, Sequence) and not isinstance(segmentation, str | bytes)


def _pack(counts: NDArray[np.int64], size: Size) -> Rle:
    (rle,) = coco_mask.frPyObjects([{"size": list(size), "counts": counts.tolist()}], *size)
    return {"size": list(size), "counts": rle["counts"].decode("ascii")}


def _draw_polygons(polygons: Sequence[Any], size: Size | None) -> dict[str, Any]:
    """The union of polygons as the library's own RLE, whose counts are bytes."""
    if size is None:
        raise ValueError("polygons do not tell the size of their image")
    if not polygons:
        raise ValueError("it has no polygons")
    height, width = _checked_size(size)
    outlines = [_checked_outline(polygon, (height, width)) for polygon in polygons]
    if sum(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum() for points in outlines) > MAX_OUTLINE:
        raise ValueError("the outline of its polygons is too long")
    rle: dict[str, Any] = coco_mask.merge(
        coco_mask.frPyObjects([points.ravel().tolist() for points in outlines], height, width)
    )
    return rle


def _checked_outline(polygon: Any, size: Size) -> NDArray[np.float64]:
    """The corners of a polygon, (N, 2) x and y, none farther outside of the image than its longer side."""
    outline = _numbers(polygon, (int, float))
    if outline is None or outline.dtype.kind not in "iuf" or outline.size < 4 or outline.size % 2:
        raise ValueError("a polygon is not a list of x and y in turn")
    points = outline.astype(np.float64).reshape(-1, 2)
    beyond = max(size)
    farthest = np.array([size[1], size[0]]) + beyond
    # Written so that it also refuses NaN.
    if not ((points >= -beyond) & (points <= farthest)).all():
        raise ValueError("a polygon lies far outside of the image")
    # The library takes four numbers for a box. With the first point once more, the outline is the same.
    return np.concatenate([points, points[:1]]) if len(points) == 2 else points


def _read_rle(segmentation: Any, size: Size | None) -> tuple[NDArray[np.int64], Size]:
    """The counts of an RLE, which fill the image exactly, and (H, W)."""
    if not isinstance(segmentation, Mapping) or not {"size", "counts"} <= segmentation.keys():
        raise ValueError("it is neither run lengths nor polygons")
    height, width = _checked_size(segmentation["size"])
    if size is not None and (height, width) != tuple(size):
        raise ValueError(f"its size is {width}x{height}, that of the image {size[1]}x{size[0]}")
    counts = segmentation["counts"]
    counts = _unpack(counts) if isinstance(counts, str | bytes) else _checked_counts(counts)
    pixels = height * width
    if counts.size and (counts.min() < 0 or counts.max() > pixels):
        raise ValueError("a run length is negative or larger than the image")
    if counts.sum() != pixels:
        raise ValueError(f"its run lengths cover {counts.sum()} pixels of {pixels}")
    return _without_empty_runs(counts), (height, width)


def _without_empty_runs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts of the same mask of which only the first, for background, may be 0."""
    if counts[1:].all():
        return counts
    ends, times = np.unique(np.cumsum(counts)[:-1], return_counts=True)
    # An empty run joins those around it: an even number of ends in one place changes nothing there.
    ends = ends[(times % 2 == 1) & (ends < counts.sum())]
    return np.asarray(np.diff(ends, prepend=0, append=counts.sum()), dtype=np.int64)


def _checked_size(size: Any) -> Size:
    if (
        isinstance(size, Sequence)
        and len(size) == 2
        and all(isinstance(side, int | np.integer) and not isinstance(side, bool) for side in size)
    ):
        height, width = (int(side) for side in size)
        if height > 0 and width > 0 and height * width <= MAX_PIXELS:
            return height, width
    raise ValueError(f"the size {size!r:.80} is not a height and a width in pixels")


def _checked_counts(counts: Any) -> NDArray[np.int64]:
    values = _numbers(counts, (int,))
    if values is None or values.dtype.kind not in "iu":
        raise ValueError("its run lengths are not whole numbers")
    # Unsigned numbers may not fit; this keeps them larger than any image.
    whole: NDArray[np.int64] = np.minimum(values, 2 * MAX_PIXELS).astype(np.int64)
    return whole


def _numbers(values: Any, kinds: tuple[type, ...]) -> NDArray[Any] | None:
    """A list of numbers, or an array of one dimension, as an array; None for anything else."""
    if not isinstance(values, np.ndarray):
        # NumPy itself would take true for 1, and the text "1" for a number.
        if not isinstance(values, Sequence) or not all(
            kind is not bool and issubclass(kind, (*kinds, np.number)) for kind in set(map(type, values))
        ):
            return None
        values = np.asarray(values)
    return values if values.ndim == 1 else None


def _unpack(text: str | bytes) -> NDArray[np.int64]:
    """The numbers in compressed counts, which may still be negative or too large."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if not data:
        return np.zeros(0, np.int64)
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - FIRST_CHARACTER
    if codes.min() < 0 or codes.max() >= 2 * MORE:
        raise ValueError("its run lengths hold a foreign character")
    last = np.flatnonzero(codes < MORE)
    if not last.size or last[-1] != codes.size - 1:
        raise ValueError("its run lengths end in the middle of a number")
    first = np.concatenate([[0], last[:-1] + 1])
    characters = last - first + 1
    if characters.max() > MAX_CHARACTERS:
        raise ValueError("one of its run lengths is too large")
    position = np.arange(codes.size) - np.repeat(first, characters)
    numbers = np.add.reduceat((codes & (MORE - 1)) << (BITS * position), first)
    numbers -= np.where(codes[last] & SIGN, 1 << (BITS * characters), 0)
    # From the fourth on, numbers are differences to the one two places before.
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers
