"""Images, object ids and masks from image files of all kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_mask, read_object_ids

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
