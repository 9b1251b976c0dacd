"""The masks of a split of MeViS: one JSON file of gigabytes, of which single annotations are read.

```
mask_dict.json      {annotation id: [COCO RLE or null, one for each frame of the video]}
```
"""

from __future__ import annotations

import json
import mmap
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.errors import UserError
from vlp_rvos.media.rle import decode_mask

__all__ = ["MaskFile"]

ANNOTATION_START = re.compile(rb'"(\d+)"\s*:\s*\[')
"""Start of an annotation. Nothing inside an annotation looks like this, because the keys of an RLE are words."""

CACHED_ANNOTATIONS = 64


class MaskFile:
    """A `mask_dict.json`. Only the positions of the annotations are kept in memory.

    Args:
        file: path of the file.

    Attributes:
        spans: annotation id -> positions in the file, in bytes, between which its list lies.

    Raises:
        UserError: the file is missing or does not follow the layout.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                matches = ANNOTATION_START.finditer(content)
                found = [(int(match[1]), match.start(), match.end() - 1) for match in matches]
                size = len(content)
        except FileNotFoundError:
            raise UserError(f"no such file: {file}") from None
        except (OSError, ValueError) as error:
            raise UserError(f"cannot read {file}: {error}") from error
        if not found:
            raise UserError(f"{file} has no lists of masks; fetch it again")
        stops = [start for _, start, _ in found[1:]] + [size]
        self.spans = {i: (start, stop) for (i, _, start), stop in zip(found, stops, strict=True)}
        if len(self.spans) < len(found):
            raise UserError(f"{file} has two lists of masks for one annotation; fetch it again")

    def load(self, annotation: int, index: int) -> NDArray[np.bool_] | None:
        """Mask (H, W) of an object in a frame; None if the object is not in the frame.

        Args:
            annotation: annotation id of the object.
            index: index of the frame in the video, from 0.

        Raises:
            UserError: there is no such mask, or it is broken.
        """
        if annotation not in self.spans:
            raise UserError(f"{self.file} has no annotation {annotation}, which an expression names")
        masks = _read_annotation(self.file, *self.spans[annotation])
        if index >= len(masks):
            raise UserError(f"{self.file}: annotation {annotation} has {len(masks)} masks, but the video more frames")
        if masks[index] is None:
            return None
        try:
            return decode_mask(masks[index])
        except ValueError as error:
            raise UserError(f"{self.file}: mask {index} of annotation {annotation} is broken: {error}") from error


# Cached because the frames of a video are asked for one after another.
@lru_cache(maxsize=CACHED_ANNOTATIONS)
def _read_annotation(file: Path, start: int, stop: int) -> list[Any]:
    try:
        with file.open("rb") as opened:
            opened.seek(start)
            text = opened.read(stop - start).decode("utf-8")
        # The text goes on to the next annotation; the decoder stops at the end of the list.
        masks, _ = json.JSONDecoder().raw_decode(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read {file} at byte {start}: {error}; fetch it again") from error
    assert isinstance(masks, list)
    return masks
