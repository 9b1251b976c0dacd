"""Frames of a live source on their way to a worker: one file each, in the order in which they came.

The files lie in the folder of the request. A frame takes its name when it is complete, and the worker removes it when
it has read it, so no more frames lie there than the service lets wait.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import PIXELS_OF_8K

__all__ = ["MAX_FRAME_BYTES", "end_frames", "put_frame", "read_frames"]

#: Bytes of the largest compressed frame.
MAX_FRAME_BYTES = 8 * 1024 * 1024
#: Seconds between two looks for the next frame.
INTERVAL = 0.01

END = "end"


def put_frame(folder: Path, number: int, content: bytes) -> None:
    """Hand the content of a picture file on as frame `number`, counted from 0."""
    part = folder / "part"
    part.write_bytes(content)
    os.rename(part, folder / f"frame-{number}")


def end_frames(folder: Path) -> None:
    """Say that no more frames come."""
    (folder / END).touch()


def read_frames(folder: Path, deadline: float) -> Iterator[Image]:
    """The frames of a live source as they come; it ends after the last one, or when nobody waits for it any more.

    Args:
        folder: the folder of the request.
        deadline: `time.monotonic` at which the source ends in any case.

    Raises:
        UserError: a frame cannot be read, or has another size than the first one.
    """
    number, shape = 0, None
    while time.monotonic() < deadline and folder.exists():
        file = folder / f"frame-{number}"
        # Looked for in this order: the end is marked after the last frame.
        ended = (folder / END).exists()
        if file.exists():
            content = file.read_bytes()
            file.unlink(missing_ok=True)
            image = decode_frame(content)
            if shape not in (None, image.shape):
                raise UserError(f"frame {number} has another size than the first one")
            shape = image.shape
            number += 1
            yield image
        elif ended:
            return
        else:
            time.sleep(INTERVAL)


def decode_frame(content: bytes) -> Image:
    """A JPEG, PNG or WebP file as (H, W, 3) uint8 RGB.

    Raises:
        UserError: it is something else, is damaged, or has too many pixels.
    """
    try:
        with PillowImage.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
            if picture.width * picture.height > PIXELS_OF_8K:
                raise UserError(f"a frame has more than {PIXELS_OF_8K} pixels")
            return np.asarray(picture.convert("RGB"))
    except UserError:
        raise
    # Pillow raises many kinds of exceptions for damaged files.
    except Exception as error:
        raise UserError("a frame is not a JPEG, PNG or WebP file that can be read") from error
