"""Images, object ids and masks from image files of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from png_files import GRAY_ALPHA, RGB, RGBA, chunk, write_png

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.image_files import (
    is_black_and_white,
    open_image,
    read_mask,
    read_object_ids,
    read_rgb,
    read_upright_rgb,
    upright_size,
    white_is_object,
)

IDS = np.array([[0, 1, 1], [2, 2, 0]], dtype=np.uint8)


def palette(ids: np.ndarray) -> Image.Image:
    image = Image.fromarray(ids, "L")
    image.putpalette([0, 0, 0, 236, 95, 103, 249, 145, 87])
    return image


@pytest.mark.parametrize(
    ("image", "ids"),
    [
        (palette(IDS), IDS),
        (Image.fromarray(IDS), IDS),
        (Image.fromarray(IDS.astype(np.uint16)), IDS),
        (Image.fromarray(IDS.astype(np.int32)), IDS),
        (Image.fromarray(IDS.astype(np.uint16) * 127), IDS * 127),
        (Image.fromarray((IDS > 0).astype(np.uint16) * 65535), IDS > 0),
        (Image.fromarray((IDS > 0).astype(np.uint16) * 255), IDS > 0),
        (Image.fromarray(IDS > 0), IDS > 0),
        (Image.fromarray((IDS > 0).astype(np.uint8) * 255), IDS > 0),
        (Image.fromarray(np.where(IDS == 2, 255, IDS).astype(np.uint8)), np.where(IDS == 2, 255, IDS)),
        (Image.new("L", (3, 2)), np.zeros((2, 3))),
    ],
)
def test_kinds_of_annotation(tmp_path: Path, image: Image.Image, ids: np.ndarray) -> None:
    # TIFF holds all modes, and Pillow goes by the content of a file.
    image.save(tmp_path / "ids.png", "TIFF" if image.mode == "I" else "PNG")
    read = read_object_ids(tmp_path / "ids.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, ids)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("RGB", (3, 2)), r"has colours or transparency \(mode RGB\)"),
        (Image.new("LA", (3, 2)), r"has colours or transparency \(mode LA\)"),
        (Image.new("F", (3, 2)), r"has colours or transparency \(mode F\)"),
        (Image.fromarray(np.full((2, 3), 300, np.uint16)), "holds the object id 300"),
        (Image.fromarray(np.array([[0, 65535, 1]], np.uint16)), "holds the object id 65535"),
        (Image.fromarray(np.array([[0, -1, 1]], np.int32)), "holds the object id -1"),
    ],
)
def test_annotations_that_are_no_ids(tmp_path: Path, image: Image.Image, message: str) -> None:
    image.save(tmp_path / "ids.png", "TIFF" if image.mode in {"I", "F"} else "PNG")
    with pytest.raises(UserError, match=message):
        read_object_ids(tmp_path / "ids.png")


@pytest.mark.parametrize("bits", [2, 4])
def test_few_shades_of_gray_are_no_ids(tmp_path: Path, bits: int) -> None:
    """Pillow spreads them over 8 bits: id 1 would become 85 or 17."""
    write_png(tmp_path / "a.png", IDS, bits)
    with pytest.raises(UserError, match=f"has {2**bits} shades of gray"):
        read_object_ids(tmp_path / "a.png")
    write_png(tmp_path / "a.png", (IDS > 0) * np.uint8(2**bits - 1), bits)
    np.testing.assert_array_equal(read_object_ids(tmp_path / "a.png"), IDS > 0)
    write_png(tmp_path / "a.png", IDS * 0, bits)
    assert not read_object_ids(tmp_path / "a.png").any()


def test_white_among_ids_is_no_object(tmp_path: Path) -> None:
    first, later = tmp_path / "0.png", tmp_path / "1.png"
    Image.fromarray(np.array([[0, 1, 255]], np.uint8)).save(first)
    Image.fromarray(np.array([[0, 0, 255]], np.uint8)).save(later)
    assert not white_is_object(first)
    assert not is_black_and_white(first)
    assert white_is_object(later)
    assert is_black_and_white(later)
    assert read_object_ids(later).tolist() == [[0, 0, 1]]
    assert read_object_ids(later, white_is_object=False).tolist() == [[0, 0, 255]]
    Image.fromarray(np.array([[0, 0, 65535]], np.uint16)).save(later)
    assert read_object_ids(later, white_is_object=False).tolist() == [[0, 0, 255]]
    Image.new("L", (3, 1)).save(later)
    assert not is_black_and_white(later)
    # In a palette 255 is a number like any other.
    palette(np.array([[0, 0, 255]], np.uint8)).save(later)
    assert not is_black_and_white(later)
    palette(np.array([[0, 0, 1]], np.uint8)).save(later)
    assert not white_is_object(later)


@pytest.mark.parametrize(
    ("image", "inside"),
    [
        (Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8)), [[0, 1], [1, 0]]),
        (Image.fromarray(np.array([[0, 1], [0, 0]], bool)), [[0, 1], [0, 0]]),
        (Image.fromarray(np.array([[0, 1], [300, 0]], np.uint16)), [[0, 1], [1, 0]]),
        (Image.merge("RGB", [Image.new("L", (2, 2), value) for value in (0, 0, 1)]), [[1, 1], [1, 1]]),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 255)), [[0, 0], [0, 0]]),
        (Image.new("LA", (2, 2), (7, 0)), [[1, 1], [1, 1]]),
        (Image.fromarray(np.array([[0, 0.2], [1, 0]], np.float32)), [[0, 1], [1, 0]]),
        (Image.fromarray(np.array([[0, 1], [70000, 0]], np.int32)), [[0, 1], [1, 0]]),
        # Of the colours of print, 0 is white and not black.
        (Image.new("CMYK", (2, 2), (0, 0, 0, 255)), [[0, 0], [0, 0]]),
        (Image.new("CMYK", (2, 2), (0, 0, 0, 0)), [[1, 1], [1, 1]]),
    ],
)
def test_kinds_of_mask_image(tmp_path: Path, image: Image.Image, inside: list[list[int]]) -> None:
    image.save(tmp_path / "mask.png", "TIFF" if image.mode in {"I", "F", "CMYK"} else "PNG")
    mask = read_mask(tmp_path / "mask.png")
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, np.array(inside, dtype=bool))


@pytest.mark.parametrize(("channels", "colour_type"), [(3, RGB), (4, RGBA), (2, GRAY_ALPHA)])
def test_masks_lose_no_small_values(tmp_path: Path, channels: int, colour_type: int) -> None:
    """Pillow keeps the upper byte of colours of 16 bits."""
    write_png(tmp_path / "a.png", np.ones((2, 2, channels), np.uint16), 16, colour_type)
    with pytest.raises(UserError, match="small values would be lost"):
        read_mask(tmp_path / "a.png")


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255)])
def test_palette_masks_are_read_by_index_not_colour(tmp_path: Path, background: tuple[int, int, int]) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8))
    image.putpalette([*background, 0, 0, 0, 9, 9, 9])
    image.save(tmp_path / "mask.png", transparency=0)
    assert read_mask(tmp_path / "mask.png").tolist() == [[False, True], [True, False]]


def test_colours_are_read_as_they_are_stored(tmp_path: Path) -> None:
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=turned)
    read = read_rgb(tmp_path / "a.png")
    assert (read.dtype, read.flags.writeable) == (np.uint8, True)
    assert np.array_equal(read, pixels)


RAMP = np.linspace(0, 65535, 240).astype(np.uint16)[None].repeat(4, axis=0)
EIGHT_BITS = (RAMP >> 8).astype(np.uint8)


@pytest.mark.parametrize(
    "values",
    [RAMP, RAMP.astype(np.int32), EIGHT_BITS.astype(np.float32), EIGHT_BITS.astype(np.float32) / 255],
    ids=["16 bits", "32 bits", "reals to 255", "reals to 1"],
)
def test_deep_pictures_are_scaled_to_8_bits(tmp_path: Path, values: np.ndarray) -> None:
    Image.fromarray(values).save(tmp_path / "a.png", "PNG" if values.dtype == np.uint16 else "TIFF")
    for read in (read_rgb, read_upright_rgb):
        image = read(tmp_path / "a.png")
        assert (image.dtype, image.shape) == (np.uint8, (4, 240, 3))
        assert (image == EIGHT_BITS[..., None]).all()
    assert image.mean() == pytest.approx(127.5, abs=0.5)


def test_deep_pictures_look_alike_in_gray_and_in_colours(tmp_path: Path) -> None:
    write_png(tmp_path / "gray.png", RAMP, 16)
    write_png(tmp_path / "rgb.png", RAMP[..., None].repeat(3, axis=-1), 16, RGB)
    alpha = np.full_like(RAMP, 300)
    write_png(tmp_path / "la.png", np.stack([RAMP, alpha], -1), 16, GRAY_ALPHA)
    write_png(tmp_path / "rgba.png", np.stack([RAMP, RAMP, RAMP, alpha], -1), 16, RGBA)
    for name in ("gray", "rgb", "la", "rgba"):
        assert (read_rgb(tmp_path / f"{name}.png") == EIGHT_BITS[..., None]).all(), name


@pytest.mark.parametrize(
    ("picture", "colour"),
    [
        (Image.new("1", (2, 2), 1), (255, 255, 255)),
        (Image.new("L", (2, 2), 90), (90, 90, 90)),
        (Image.new("LA", (2, 2), (90, 0)), (90, 90, 90)),
        (Image.new("RGBA", (2, 2), (10, 20, 30, 0)), (10, 20, 30)),
        (Image.new("CMYK", (2, 2), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("CMYK", (2, 2), (0, 0, 0, 255)), (0, 0, 0)),
        (palette(np.full((2, 2), 1, np.uint8)), (236, 95, 103)),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_kinds_of_picture(tmp_path: Path, picture: Image.Image, colour: tuple[int, int, int]) -> None:
    picture.save(tmp_path / "a.png", "TIFF" if picture.mode == "CMYK" else "PNG")
    assert (read_rgb(tmp_path / "a.png") == colour).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("alpha", [b"\xff\x00\x80", b"\x00\xff\xff", b"\xff\x00"])
def test_palettes_with_transparency_keep_their_colours(tmp_path: Path, alpha: bytes) -> None:
    palette(IDS).save(tmp_path / "a.png", transparency=alpha)
    assert read_rgb(tmp_path / "a.png")[0].tolist() == [[0, 0, 0], [236, 95, 103], [236, 95, 103]]
    assert read_object_ids(tmp_path / "a.png").tolist() == IDS.tolist()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[-1, 5]], np.int32), "its values go from -1 to 5"),
        (np.array([[0, 65536]], np.int32), "from 0 to 65536"),
        (np.array([[0, np.nan]], np.float32), "real numbers"),
        (np.array([[0, np.inf]], np.float32), "real numbers"),
        (np.array([[-0.1, 1]], np.float32), "real numbers"),
        (np.array([[0, 65535]], np.float32), "real numbers"),
    ],
)
def test_pictures_of_unknown_range(tmp_path: Path, values: np.ndarray, message: str) -> None:
    Image.fromarray(values).save(tmp_path / "a.png", "TIFF")
    with pytest.raises(UserError, match=rf"cannot read the image .*a\.png: .*{message}"):
        read_rgb(tmp_path / "a.png")


@pytest.mark.parametrize("largest", [1, 255, 4095])
def test_pictures_that_become_nearly_black_are_told(tmp_path: Path, largest: int) -> None:
    Image.fromarray(np.array([[0, largest]], np.uint16)).save(tmp_path / "a.png")
    with pytest.warns(VLPRVOSWarning, match="nearly black in 8 bits"):
        assert read_rgb(tmp_path / "a.png").max() == largest >> 8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("largest", [0, 4096])
def test_dark_pictures_are_no_reason_to_warn(tmp_path: Path, largest: int) -> None:
    Image.fromarray(np.array([[0, largest]], np.uint16)).save(tmp_path / "a.png")
    assert read_rgb(tmp_path / "a.png").max() == largest >> 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_images_are_turned_as_their_file_says(tmp_path: Path, orientation: int) -> None:
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    # The eight orientations of EXIF 2.32, table 6: where the stored first row and first column are shown.
    shown = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: pixels[::-1].swapaxes(0, 1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: pixels[:, ::-1].swapaxes(0, 1),
    }[orientation]
    read = read_upright_rgb(tmp_path / "a.png")
    assert read.flags.writeable
    assert np.array_equal(read, shown)
    assert upright_size(tmp_path / "a.png") == shown.shape[:2]


@pytest.mark.parametrize("values", [RAMP, RAMP.astype(np.uint8)])
def test_deep_pictures_are_turned_too(tmp_path: Path, values: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    assert upright_size(tmp_path / "a.png") == (240, 4)
    assert read_upright_rgb(tmp_path / "a.png").shape == (240, 4, 3)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"no exif",
        b"MM\0*\0\0\0\x08",
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02x\0\0\0",  # the orientation is text
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0",  # it is 99
    ],
)
def test_broken_exif_does_not_matter(tmp_path: Path, exif: bytes) -> None:
    write_png(tmp_path / "a.png", IDS, 8, extra=chunk(b"eXIf", exif))
    assert upright_size(tmp_path / "a.png") == (2, 3)
    assert (read_upright_rgb(tmp_path / "a.png")[..., 0] == IDS).all()


@pytest.mark.parametrize("read", [open_image, read_rgb, read_upright_rgb, upright_size, read_object_ids, read_mask])
def test_missing_and_broken_images_get_one_line(tmp_path: Path, read: Callable[[Path], object]) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(UserError, match=r"no such image: .*a\.png"):
        read(path)
    Image.fromarray(np.random.default_rng(0).integers(0, 9, (40, 40), np.uint8)).save(path)
    contents = [b"", b"not an image", path.read_bytes()[:20]]
    # The size stands in the header: the pixels may be missing.
    contents += [path.read_bytes()[:500]] if read is not upright_size else []
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"cannot read the image .*a\.png: ") as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_images_that_would_fill_the_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match="cannot read the image"):
        open_image(tmp_path / "a.png")
