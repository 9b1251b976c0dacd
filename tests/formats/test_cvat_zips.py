"""Zip files for CVAT."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from segmented import make_moving_picture
from written_formats import BARE, HEADER, converted, files_in, json_of, written

from vlp_rvos.errors import UserError
from vlp_rvos.formats.cvat_zips import MAX_LABELS, CvatCocoWriter, CvatMotsWriter
from vlp_rvos.media.frame_record import label_map


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(set(names))
        return {name: archive.read(name) for name in names}


def test_coco_of_a_video_names_frames_by_their_number(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", CvatCocoWriter, first_number=100)
    found = members(folder / "cvat-coco.zip")
    images = [f"images/default/frame_{number:06d}.jpg" for number in (100, 101, 102)]
    assert list(found) == [*images, "annotations/instances_default.json"]
    listed = json.loads(found["annotations/instances_default.json"])["images"]
    assert [f"images/default/{image['file_name']}" for image in listed] == images
    assert files_in(folder) == {"cvat-coco.zip", "labels.json"}


@pytest.mark.parametrize(("kind", "stem"), [("folder", "0a"), ("picture", "photo"), ("file", "frame_000000")])
def test_pictures_keep_their_names(tmp_path: Path, kind: str, stem: str) -> None:
    one = replace(BARE[0], name="0a")
    folder = written(tmp_path / "a", CvatMotsWriter, [one], name="photo", file_name="photo.PNG", kind=kind)
    assert f"default/instances/{stem}.png" in members(folder / "cvat-mots.zip")


def test_every_frame_of_a_moving_picture_has_a_name_of_its_own(tmp_path: Path) -> None:
    folder, made = converted(tmp_path, "cvat-coco", make_moving_picture(tmp_path / "a.png"))
    images = {f"images/default/frame_{one.index:06d}.jpg" for one in made}
    assert len(images) == 3
    assert members(folder / "cvat-coco.zip").keys() == images | {"annotations/instances_default.json"}


def test_mots_has_16_bits_and_the_best_score_on_top(tmp_path: Path) -> None:
    found = members(written(tmp_path / "a", CvatMotsWriter, BARE) / "cvat-mots.zip")
    assert found["default/instances/labels.txt"].decode() == "the dog that jumps\na red car\n"
    for one in BARE:
        image = PillowImage.open(io.BytesIO(found[f"default/instances/frame_{one.index:06d}.png"]))
        labels = label_map(one.masks, one.scores)
        assert np.array_equal(np.asarray(image), np.array([0, 1001, 2002])[labels])


def test_equal_expressions_share_a_label_but_no_track(tmp_path: Path) -> None:
    one = replace(BARE[0], expressions=("dog", "dog"))
    found = members(written(tmp_path / "a", CvatMotsWriter, [one]) / "cvat-mots.zip")
    values = np.unique(np.asarray(PillowImage.open(io.BytesIO(found["default/instances/frame_000000.png"]))))
    assert values.tolist() == [0, 1001, 1002]
    assert found["default/instances/labels.txt"] == b"dog\n"


def test_labels_are_those_of_a_task(tmp_path: Path) -> None:
    expected = [{"name": text, "attributes": [], "type": "any"} for text in HEADER.expressions]
    for kind in (CvatCocoWriter, CvatMotsWriter):
        assert json_of(written(tmp_path / kind.file_name, kind) / "labels.json") == expected


def test_more_labels_than_16_bits_hold() -> None:
    texts = [f"thing {i}" for i in range(MAX_LABELS + 1)]
    CvatMotsWriter.check(None, [*texts[1:], texts[1]])
    with pytest.raises(UserError, match="convert to cvat-coco"):
        CvatMotsWriter.check(None, texts)
