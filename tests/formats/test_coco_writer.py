"""A folder in the COCO format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from written_formats import BARE, RESULTS, files_in, json_of, written

from vlp_rvos.formats.coco_writer import CocoWriter


def test_images_lie_beside_the_list(tmp_path: Path) -> None:
    folder = written(tmp_path / "coco", CocoWriter)
    listed = [f"images/{image['file_name']}" for image in json_of(folder / "instances.json")["images"]]
    assert files_in(folder) == {"instances.json", *listed}
    assert len(listed) == 3
    image = np.asarray(PillowImage.open(folder / "images" / "00001.jpg"))
    assert np.abs(image.astype(int) - RESULTS[1].image).mean() < 20


def test_without_pixels_there_is_the_list_alone(tmp_path: Path) -> None:
    folder = written(tmp_path / "coco", CocoWriter, BARE)
    assert files_in(folder) == {"instances.json"}


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/b", "con"])
def test_a_hostile_name_of_a_frame_is_replaced(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "coco", CocoWriter, [replace(RESULTS[0], name=name)])
    assert files_in(tmp_path) == {"coco/instances.json", "coco/images/00000.jpg"}
    assert json_of(folder / "instances.json")["images"][0]["file_name"] == "00000.jpg"


def test_two_frames_of_one_name_are_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        written(tmp_path / "coco", CocoWriter, [RESULTS[0], RESULTS[0]])
