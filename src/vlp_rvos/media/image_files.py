"""Read images, object ids and masks from image files. Shapes: (H, W) pixels of the file.

A file may hold its pixels in many ways: in 1 to 16 bits or as real numbers, in gray, colours or a palette, with and
without transparency. Pictures become 8-bit RGB. Ids and masks keep the values of the file, or the file is refused: a
value that was scaled or cut off is another object.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from vlp_rvos.arrays import Image, Size
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.special_files import refuse_special_file

__all__ = [
    "MAX_OBJECT_ID",
    "is_black_and_white",
    "open_image",
    "read_mask",
    "read_object_ids",
    "read_rgb",
    "read_upright_rgb",
    "stored_size",
    "upright_size",
    "white_is_object",
]

#: The largest object id of an annotation: it has one byte for each pixel.
MAX_OBJECT_ID = 255
#: White of 8-bit and of 16-bit gray images.
WHITES = (255, 65535)

#: Modes of Pillow with one value for each pixel that says what is there; those with 16 bits begin with `DEEP_MODE`.
ID_MODES = {"1", "L", "P", "I"}
DEEP_MODE = "I;16"
ALPHA_MODES = {"LA", "PA", "RGBA", "La", "RGBa"}
#: Modes whose channels are 0 in black. In those of print and television, 0 is white or a colour.
MASK_MODES = {*ID_MODES, *ALPHA_MODES, "RGB", "F"}

EXIF_ORIENTATION = 0x0112
#: EXIF orientation -> what turns the stored pixels upright (EXIF 2.32, table 6).
TURNS = {
    2: PillowImage.Transpose.FLIP_LEFT_RIGHT,
    3: PillowImage.Transpose.ROTATE_180,
    4: PillowImage.Transpose.FLIP_TOP_BOTTOM,
    5: PillowImage.Transpose.TRANSPOSE,
    6: PillowImage.Transpose.ROTATE_270,
    7: PillowImage.Transpose.TRANSVERSE,
    8: PillowImage.Transpose.ROTATE_90,
}
#: Orientations from this one on exchange width and height.
FIRST_SIDEWAYS_ORIENTATION = 5

#: A 16-bit picture that uses no larger value than 12 bits hold is nearly black.
NEARLY_BLACK = 2**12


def open_image(path: Path) -> PillowImage.Image:
    """A fully decoded image.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    with _reading(path) as image:
        image.load()
        return image


def read_rgb(path: Path) -> Image:
    """The pixels as they are stored, which is how masks and boxes of a data set refer to them.

    Returns:
        (H, W, 3) uint8 RGB, writable. 16 bits are scaled to 8, and transparency is left out.

    Raises:
        UserError: The file is missing or is not an image that can be read.

    Warns:
        VLPRVOSWarning: A 16-bit picture becomes nearly black.
    """
    with _reading(path) as image:
        return np.array(_to_rgb(image))


def read_upright_rgb(path: Path) -> Image:
    """The pixels as a viewer shows them: turned and mirrored as the file's EXIF orientation says.

    See `read_rgb` for what is returned, errors and warnings.
    """
    with _reading(path) as image:
        turn = TURNS.get(_orientation(image))
        picture = _to_rgb(image)
        return np.array(picture if turn is None else picture.transpose(turn))


def stored_size(path: Path) -> Size:
    """(H, W) of `read_rgb`, read from the file's header without decoding the pixels.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    with _reading(path) as image:
        return image.height, image.width


def upright_size(path: Path) -> Size:
    """(H, W) of `read_upright_rgb`, read from the file's header without decoding the pixels.

    Raises:
        UserError: The file is missing or is not an image that Pillow can read.
    """
    with _reading(path) as image:
        sideways = _orientation(image) >= FIRST_SIDEWAYS_ORIENTATION
        return (image.width, image.height) if sideways else (image.height, image.width)


def read_object_ids(path: Path, *, white_is_object: bool = True) -> NDArray[np.uint8]:
    """Object ids from a palette or gray image.

    Gray images of black and white alone, as DAVIS-2016 has them, are masks of object 1: a decision of ours, which
    `docs/method.md` marks [D].

    Args:
        path: The image file.
        white_is_object: Whether white is object 1 in such an image. If not, it stays 255; see the function
            `white_is_object`.

    Returns:
        (H, W) uint8; 0 is background.

    Raises:
        UserError: The file is missing or broken, or holds colours or larger numbers instead of ids.
    """
    with _reading(path) as image:
        shades = _shades(image)
        image.load()
        if image.mode not in ID_MODES and not image.mode.startswith(DEEP_MODE):
            raise UserError(
                f"{path} has colours or transparency (mode {image.mode}): annotations are palette or gray images of"
                " object ids"
            )
        ids = np.asarray(image)
        mode = image.mode
    white = _white(ids) if mode not in {"1", "P"} else None
    if white is not None:
        return np.where(ids == white, 1 if white_is_object else MAX_OBJECT_ID, 0).astype(np.uint8)
    if shades is not None and ids.any():
        raise UserError(f"{path} has {shades} shades of gray, which may not be ids: store 8 bits, or a palette")
    if ids.min(initial=0) < 0 or ids.max(initial=0) > MAX_OBJECT_ID:
        wrong = min(ids.min(), 0) or ids.max()
        raise UserError(f"{path} holds the object id {wrong}; ids go up to {MAX_OBJECT_ID}")
    return ids.astype(np.uint8)


def white_is_object(first: Path) -> bool:
    """Whether white (255) is an object in the masks of a video: yes, unless the first one has ids.

    Among ids, 255 marks the void of DAVIS, also in a later mask that happens to show nothing else.

    Args:
        first: The first mask of the video.

    Raises:
        UserError: See `read_object_ids`.
    """
    ids = read_object_ids(first, white_is_object=False)
    return not ((ids > 0) & (ids < MAX_OBJECT_ID)).any()


def is_black_and_white(path: Path) -> bool:
    """Whether `read_object_ids` takes white for object 1: a gray image that holds white, and else nothing but black.

    Raises:
        UserError: See `read_object_ids`.
    """
    return bool((read_object_ids(path) != read_object_ids(path, white_is_object=False)).any())


def read_mask(path: Path) -> NDArray[np.bool_]:
    """A binary mask from an image of any kind.

    A pixel belongs to the mask where its palette index, its gray value or any of its colour channels is above 0. The
    alpha channel does not count.

    Returns:
        (H, W) bool.

    Raises:
        UserError: The file is missing or is not an image that can be read without losing small values.
    """
    with _reading(path) as image:
        if image.mode in {"RGB", "RGBA"} and ";16" in _raw_modes(image):
            raise UserError(
                f"{path} has colours of 16 bits, of which small values would be lost: store 8 bits, or gray"
            )
        if image.mode not in MASK_MODES and not image.mode.startswith(DEEP_MODE):
            image = image.convert("RGB")
        values = np.asarray(image)
        if values.ndim == 3:
            values = values[..., : -1 if image.mode in ALPHA_MODES else None].max(axis=-1)
    mask: NDArray[np.bool_] = values > 0
    return mask


def _to_rgb(image: PillowImage.Image) -> PillowImage.Image:
    """The picture as RGB. Pillow itself would clip the values of modes with more than 8 bits to 255."""
    if image.mode == "F":
        image = PillowImage.fromarray(_scale_reals(np.asarray(image)))
    elif image.mode == "I" or image.mode.startswith(DEEP_MODE):
        image = PillowImage.fromarray(_scale_deep(np.asarray(image)))
    elif "transparency" in image.info:
        # Pillow warns of palettes with transparency that become RGB in one step.
        image = image.convert("RGBA")
    return image.convert("RGB")


def _scale_deep(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """16 bits to 8: the upper byte, as Pillow reads colours of 16 bits."""
    least, largest = values.min(initial=0), values.max(initial=0)
    if least < 0 or largest > WHITES[-1]:
        raise ValueError(
            f"its values go from {least} to {largest}, and those of 16-bit pictures from 0 to {WHITES[-1]}"
        )
    if 0 < largest < NEARLY_BLACK:
        # Without the name of the file: of a whole folder of such pictures, one warning is enough.
        warnings.warn(
            "a 16-bit picture uses less than a sixteenth of its range, so it is nearly black in 8 bits: store 8 bits,"
            " or scale it to the whole range",
            VLPRVOSWarning,
            stacklevel=4,
        )
    return (values >> 8).astype(np.uint8)


def _scale_reals(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Real numbers from 0 to 1, or else from 0 to 255, to 8 bits."""
    least, largest = values.min(initial=0), values.max(initial=0)
    # Written so that it also refuses NaN.
    if not (least >= 0 and largest <= WHITES[0]):
        raise ValueError("it holds real numbers that are not all from 0 to 1, or from 0 to 255")
    return np.asarray(np.rint(values * (WHITES[0] if largest <= 1 else 1)), dtype=np.uint8)


def _white(values: NDArray[np.generic]) -> int | None:
    """The value of white, if all pixels are black or white and some are white."""
    largest = int(values.max(initial=0))
    return largest if largest in WHITES and np.isin(values, (0, largest)).all() else None


def _shades(image: PillowImage.Image) -> int | None:
    """Number of shades of a gray image of 2 or 4 bits, which Pillow spreads over 8 bits; None for all others."""
    modes = _raw_modes(image)
    return next((2**bits for bits in (2, 4) if image.mode == "L" and f"L;{bits}" in modes), None)


def _raw_modes(image: PillowImage.Image) -> str:
    """How a file stores its pixels, in Pillow's words. Known only before the pixels are loaded."""
    return str(getattr(image, "tile", ""))


def _orientation(image: PillowImage.Image) -> int:
    """The EXIF orientation; 1, which is upright, where the file states none that makes sense."""
    if image.format == "TIFF":
        # Pillow turns this kind upright by itself.
        return 1
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    # Broken EXIF data makes Pillow raise many kinds of exceptions. The picture is whole without it.
    except Exception:
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


@contextmanager
def _reading(path: Path) -> Iterator[PillowImage.Image]:
    """An image that is not decoded yet. The many exceptions of Pillow for broken files become one `UserError`.

    They have no common base, and some say how a decoder was called.
    """
    # Opening a pipe waits until somebody writes into it.
    refuse_special_file(path)
    try:
        with PillowImage.open(path) as image:
            yield image
    except (UserError, VLPRVOSWarning):
        raise
    except FileNotFoundError:
        raise UserError(f"no such image: {path}") from None
    except UnidentifiedImageError:
        raise UserError(f"cannot read the image {path}: it has no known format") from None
    except MemoryError:
        raise UserError(f"cannot read the image {path}: it is too large for the memory") from None
    except Exception as error:
        raise UserError(f"cannot read the image {path}: {' '.join(str(error).split())}") from error
