"""Video labels of FiftyOne."""

from __future__ import annotations

import base64
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from segmented import make_moving_picture, make_picture
from written_formats import HEADER, RESULTS, files_in, json_of, written

from vlp_rvos.errors import UserError
from vlp_rvos.formats.fiftyone_writer import FiftyOneWriter


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "dog.mp4"
    path.write_bytes(b"any bytes")
    return path


def test_masks_are_arrays_of_numpy(tmp_path: Path, video: Path) -> None:
    labels = json_of(written(tmp_path / "a", FiftyOneWriter, video=video) / "labels" / "dog.json")
    assert list(labels["frames"]) == ["1", "2", "3"]
    assert labels["frames"]["2"]["objects"]["objects"] == []
    for result in RESULTS:
        found = labels["frames"][str(result.index + 1)]["objects"]["objects"]
        assert len(found) == int(result.masks.any(axis=(1, 2)).sum())
        for one in found:
            part = np.load(BytesIO(zlib.decompress(base64.b64decode(one["mask"]))))
            box = one["bounding_box"]
            left, top = round(box["top_left"]["x"] * 64), round(box["top_left"]["y"] * 48)
            whole = np.zeros((48, 64), bool)
            whole[top : top + part.shape[0], left : left + part.shape[1]] = part
            assert np.array_equal(whole, result.masks[one["index"] - 1])
            assert one["name"] == "detections"
            assert one["label"] == HEADER.expressions[one["index"] - 1]


def test_the_manifest_names_what_is_there(tmp_path: Path, video: Path) -> None:
    folder = written(tmp_path / "a", FiftyOneWriter, video=video, file_name="../../a.MP4")
    (entry,) = json_of(folder / "manifest.json")["index"]
    assert files_in(folder) == {"manifest.json", entry["data"], entry["labels"]}
    assert (folder / entry["data"]).read_bytes() == b"any bytes"


def test_what_fiftyone_takes_as_images_is_refused(tmp_path: Path, video: Path) -> None:
    picture = make_picture(tmp_path / "dog.jpg")
    for source, kind in ((tmp_path, "a folder of frames"), (picture, "a picture")):
        with pytest.raises(UserError, match=rf"{source.name} is {kind}, .*: convert it to coco"):
            FiftyOneWriter.check(source, HEADER.expressions)
    for source in (video, make_moving_picture(tmp_path / "moving.png")):
        FiftyOneWriter.check(source, HEADER.expressions)
