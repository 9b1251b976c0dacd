"""Masks as palette PNGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frame_results import PLACES, result, result_at
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.media.mask_png import PaletteMaskWriter
from vlp_rvos.results import label_map


def test_palette_masks(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    results = [result(0), result(1, name="frame_7")]
    with PaletteMaskWriter(folder) as writer:
        for one in results:
            writer.write(one)
        assert not folder.exists()
    assert sorted(x.name for x in folder.iterdir()) == ["00000.png", "frame_7.png"]
    with PillowImage.open(folder / "frame_7.png") as image:
        assert image.mode == "P"
        assert image.size == (64, 48)
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        assert np.array_equal(np.asarray(image), label_map(results[1].masks, results[1].scores))


def test_masks_replace_earlier_ones(tmp_path: Path) -> None:
    for index in (3, 5):
        with PaletteMaskWriter(tmp_path / "masks") as writer:
            writer.write(result(index))
    assert [x.name for x in (tmp_path / "masks").iterdir()] == ["00005.png"]
    assert [x.name for x in tmp_path.iterdir()] == ["masks"]


def test_more_objects_than_a_palette_has(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="255"), PaletteMaskWriter(tmp_path / "masks") as writer:
        writer.write(result(scores=(0.5,) * 256))


@pytest.mark.parametrize("place", PLACES)
def test_writing_the_box_of_the_masks_is_writing_the_frame(place: tuple[int, int] | None, tmp_path: Path) -> None:
    one = result_at(place)
    with PaletteMaskWriter(tmp_path / "masks") as writer:
        writer.write(one)
    with PillowImage.open(tmp_path / "masks/00000.png") as written:
        assert np.array_equal(np.asarray(written), label_map(one.masks, one.scores))


def test_a_folder_of_the_user_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds 'notes\.txt' that vlp-rvos did not write"):
        PaletteMaskWriter(tmp_path / "masks")
    assert [x.name for x in tmp_path.rglob("*")] == ["masks", "notes.txt"]
