"""Palette images of object ids: any come back, and the palette is the usual one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vlp_rvos.media.palette import davis_palette, palette_png
from vlp_rvos.results import MAX_OBJECTS


def read(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.verify()  # checksums of the parts
    return Image.open(io.BytesIO(png))


def test_palette_is_that_of_davis() -> None:
    palette = davis_palette()
    assert palette.shape == (256, 3)
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert [tuple(x) for x in palette[:7].tolist()] == first
    assert palette[8].tolist() == [64, 0, 0]
    assert palette[255].tolist() == [224, 224, 192]
    assert len({tuple(x) for x in palette.tolist()}) == 256


def test_palette_equals_the_real_files(shared: Path) -> None:
    file = sorted((shared / "data/davis16/val/Annotations").rglob("*.png"))[0]
    with Image.open(file) as image:
        palette = np.array(image.getpalette()).reshape(-1, 3)
    assert np.array_equal(palette[:2], davis_palette()[:2])


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
    objects=st.sampled_from([1, 2, 3, 4, 15, 16, MAX_OBJECTS]),
    seed=st.integers(0, 1000),
)
def test_any_labels_at_any_place_come_back(
    size: tuple[int, int], corners: tuple[float, ...], objects: int, seed: int
) -> None:
    (top, bottom), (left, right) = (
        sorted(round(corner * side) for corner in pair)
        for pair, side in ((corners[:2], size[0]), (corners[2:], size[1]))
    )
    whole = np.zeros(size, np.uint8)
    labels = np.random.default_rng(seed).integers(0, objects, (bottom - top, right - left), np.uint8, endpoint=True)
    whole[top:bottom, left:right] = labels
    with read(palette_png(labels, (top, left), size, objects)) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), whole)
        used = np.array(image.getpalette()).reshape(-1, 3)[: objects + 1]
    assert np.array_equal(used, davis_palette()[: objects + 1])


def test_one_object_is_smaller_than_what_pillow_writes() -> None:
    rows, columns = np.mgrid[:540, :960]
    labels = ((rows - 270) ** 2 + (columns - 480) ** 2 < 200**2).astype(np.uint8)
    image, written = Image.fromarray(labels), io.BytesIO()
    image.putpalette(davis_palette().tobytes())
    image.save(written, "PNG", compress_level=1)
    assert len(palette_png(labels, (0, 0), (540, 960), 1)) < len(written.getvalue()) / 2


@pytest.mark.parametrize("objects", [0, MAX_OBJECTS + 1])
def test_what_a_palette_cannot_hold_is_an_error(objects: int) -> None:
    with pytest.raises(ValueError, match=f"{objects} objects"):
        palette_png(np.zeros((2, 2), np.uint8), (0, 0), (4, 4), objects)
