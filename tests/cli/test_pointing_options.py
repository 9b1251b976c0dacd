from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlp_rvos.cli.pointing_options import parse_points, read_drawn_masks
from vlp_rvos.errors import UserError
from vlp_rvos.inference.pointing import Point


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("120,80", Point(120, 80)),
        ("120.5,80@1.5", Point(120.5, 80, 1.5)),
        ("not:120,80@2", Point(120, 80, 2, include=False)),
        ("cup=120,80@1.5", Point(120, 80, 1.5, name="cup")),
        ("the = sign=not:1,2", Point(1, 2, include=False, name="the = sign")),
    ],
)
def test_points(text: str, point: Point) -> None:
    assert parse_points([text]) == [point]


@pytest.mark.parametrize("text", ["", "120", "120;80", "a,b", "1,2@", "1,2@x", "nan,2", "1,2,3", "no:1,2"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="give it as"):
        parse_points([text])


@pytest.mark.parametrize("text", ["-1,2", "1,2@-1", "=1,2"])
def test_numbers_and_names_out_of_their_range_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_points([text])


def test_each_id_of_a_mask_is_a_thing(tmp_path: Path) -> None:
    ids = np.zeros((4, 6), np.uint8)
    ids[0], ids[2], ids[3] = 1, 7, 255
    Image.fromarray(ids).save(tmp_path / "a=b@1.png")
    first, second = read_drawn_masks([f"{tmp_path}/a=b@1.png@1.5"])
    assert (first.name, first.time, second.name) == ("thing 1", 1.5, "thing 7")
    assert np.array_equal(first.mask, ids == 1)
    assert np.array_equal(second.mask, ids == 7)
    assert read_drawn_masks([f"{tmp_path}/a=b@1.png"])[0].time == 0


def test_masks_without_a_thing_or_a_file_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(tmp_path / "empty.png")
    with pytest.raises(UserError, match="no thing is drawn"):
        read_drawn_masks([str(tmp_path / "empty.png")])
    with pytest.raises(UserError, match="no such image"):
        read_drawn_masks(["none.png@1"])
