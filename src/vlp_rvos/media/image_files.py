"""Read images, object ids and masks from image files. Shapes: (H, W) pixels of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError

__all__ = [
    "MAX_OBJECT_ID",
    "open_image",
    "read_mask",
    "read_object_ids",
    "read_rgb",
    "read_upright_rgb",
    "upright_size",
]

#: The largest object id of an annotation: it has one byte for each pixel.
MAX_OBJECT_ID = 255

ID_MODES = {"1", "L", "P", "I;16", "I"}
ALPHA_MODES = {"LA", "PA", "RGBA", "La", "RGBa"}

EXIF_ORIENTATION = 0x0112
#: Orientations from this one on exchange width and height.
FIRST_SIDEWAYS_ORIENTATION = 5


def open_image(path: Path) -> PillowImage.Image:
    """A fully decoded image.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    with _reading_errors(path), PillowImage.open(path) as image:
        image.load()
        return image


def read_rgb(path: Path) -> Image:
    """The pixels as they are stored, which is how masks and boxes of a data set refer to them.

    Returns:
        (H, W, 3) uint8 RGB, writable.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    return np.array(open_image(path).convert("RGB"))


def read_upright_rgb(path: Path) -> Image:
    """The pixels as a viewer shows them: turned and mirrored as the file's EXIF orientation says.

    Returns:
        (H, W, 3) uint8 RGB, writable.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    image = open_image(path)
    with _reading_errors(path):
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def upright_size(path: Path) -> Size:
    """(H, W) of `read_upright_rgb`, read from the file's header without decoding the pixels.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    with _reading_errors(path), PillowImage.open(path) as image:
        sideways = image.getexif().get(EXIF_ORIENTATION, 1) >= FIRST_SIDEWAYS_ORIENTATION
        return (image.width, image.height) if sideways else (image.height, image.width)


def read_object_ids(path: Path) -> NDArray[np.uint8]:
    """Object ids from a palette or gray image.

    Black-and-white masks (0 and 255 only, as DAVIS-2016 has them) count as object 1: a decision of ours, which
    `docs/method.md` marks [D].

    Returns:
        (H, W) uint8; 0 is background.

    Raises:
        UserError: The file is missing or broken, or holds colours or larger numbers instead of ids.
    """
    image = open_image(path)
    if image.mode not in ID_MODES:
        raise UserError(f"{path} is a {image.mode} image; annotations are palette or gray images of object ids")
    ids = np.asarray(image)
    if ids.max() > MAX_OBJECT_ID:
        raise UserError(f"{path} holds the object id {ids.max()}; ids go up to {MAX_OBJECT_ID}")
    if image.mode == "L" and np.isin(ids, (0, 255)).all():
        ids = ids > 0
    return ids.astype(np.uint8)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """A binary mask from an image of any kind.

    A pixel belongs to the mask where its palette index, its gray value or any of its colour channels is above 0. The
    alpha channel does not count.

    Returns:
        (H, W) bool.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    image = open_image(path)
    values = np.asarray(image)
    if values.ndim == 3:
        values = values[..., : -1 if image.mode in ALPHA_MODES else None].max(axis=-1)
    mask: NDArray[np.bool_] = values > 0
    return mask


@contextmanager
def _reading_errors(path: Path) -> Iterator[None]:
    """Turn the many exceptions that Pillow raises for missing and broken files into one `UserError`."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"no such image: {path}") from None
    except UnidentifiedImageError:
        raise UserError(f"cannot read the image {path}: it has no known format") from None
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        raise UserError(f"cannot read the image {path}: {' '.join(str(error).split())}") from error
