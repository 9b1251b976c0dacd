"""The objects of one frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frame_results import PLACES, result, result_at
from PIL import Image as PillowImage

from vlp_rvos.formats.frame_objects import frame_objects, save_jpeg
from vlp_rvos.media.rle import decode_mask


@pytest.mark.parametrize("place", PLACES)
def test_boxes_parts_and_run_lengths_are_those_of_the_masks(place: tuple[int, int] | None) -> None:
    record = result_at(place)
    found = list(frame_objects(record))
    assert [one.track for one in found] == ([] if place is None else [1, 2])
    for one in found:
        mask = record.masks[one.track - 1]
        left, top, width, height = one.box
        ys, xs = np.nonzero(mask)
        assert one.box == (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
        assert np.array_equal(one.part, mask[top : top + height, left : left + width])
        assert one.area == mask.sum()
        assert np.array_equal(decode_mask(one.rle), mask)
        assert one.score == pytest.approx(float(record.scores[one.track - 1]), abs=1e-6)


def test_tracks_count_expressions_that_have_no_mask() -> None:
    record = result(scores=(0.1, 0.2, 0.3))
    masks = record.masks.copy()
    masks[:2] = False
    (one,) = frame_objects(replace(record, masks=masks))
    assert (one.track, one.expression) == (3, record.expressions[2])


def test_a_single_pixel_in_the_last_corner() -> None:
    record = result(height=27, width=33)
    masks = np.zeros_like(record.masks)
    masks[1, -1, -1] = True
    (one,) = frame_objects(replace(record, masks=masks))
    assert (one.box, one.area, one.part.tolist()) == ((32, 26, 1, 1), 1, [[True]])
    assert one.rle["size"] == [27, 33]


def test_a_picture_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.jpg"
    save_jpeg(path, np.full((5, 7, 3), 200, np.uint8))
    with pytest.raises(FileExistsError):
        save_jpeg(path, np.zeros((5, 7, 3), np.uint8))
    assert np.abs(np.asarray(PillowImage.open(path)).astype(int) - 200).max() < 3
