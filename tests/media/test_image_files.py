"""Images, object ids and masks from image files of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import (
    open_image,
    read_mask,
    read_object_ids,
    read_rgb,
    read_upright_rgb,
    upright_size,
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
        (Image.fromarray(IDS > 0), IDS > 0),
        (Image.fromarray((IDS > 0).astype(np.uint8) * 255), IDS > 0),
        (Image.fromarray(np.where(IDS == 2, 255, IDS).astype(np.uint8)), np.where(IDS == 2, 255, IDS)),
        (Image.new("L", (3, 2)), np.zeros((2, 3))),
    ],
)
def test_kinds_of_annotation(tmp_path: Path, image: Image.Image, ids: np.ndarray) -> None:
    image.save(tmp_path / "ids.png")
    read = read_object_ids(tmp_path / "ids.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, ids)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("RGB", (3, 2)), "is a RGB image"),
        (Image.fromarray(np.full((2, 3), 300, np.uint16)), "holds the object id 300"),
    ],
)
def test_annotations_that_are_no_ids(tmp_path: Path, image: Image.Image, message: str) -> None:
    image.save(tmp_path / "ids.png")
    with pytest.raises(UserError, match=message):
        read_object_ids(tmp_path / "ids.png")


@pytest.mark.parametrize(
    ("image", "inside"),
    [
        (Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8)), [[0, 1], [1, 0]]),
        (Image.fromarray(np.array([[0, 1], [0, 0]], bool)), [[0, 1], [0, 0]]),
        (Image.fromarray(np.array([[0, 1], [300, 0]], np.uint16)), [[0, 1], [1, 0]]),
        (Image.merge("RGB", [Image.new("L", (2, 2), value) for value in (0, 0, 1)]), [[1, 1], [1, 1]]),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 255)), [[0, 0], [0, 0]]),
        (Image.new("LA", (2, 2), (7, 0)), [[1, 1], [1, 1]]),
    ],
)
def test_kinds_of_mask_image(tmp_path: Path, image: Image.Image, inside: list[list[int]]) -> None:
    image.save(tmp_path / "mask.png")
    mask = read_mask(tmp_path / "mask.png")
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, np.array(inside, dtype=bool))


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
