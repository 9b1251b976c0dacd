from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from clips import frames
from PIL import Image as PillowImage
from web_visits import visiting

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.media.overlay_video import OverlayWriter
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.web.visitor import Visitor


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    with visiting(tmp_path, frames(12)) as visitor:
        yield visitor


def video_frames(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def test_downloads_hold_the_masks(visitor: Visitor) -> None:
    with pytest.raises(UserError, match="no masks yet"):
        visitor.make("Masks")
    visitor.point(0.75, 0.25, True)
    assert visitor.start("the dog").ended.wait(30)
    assert len(video_frames(visitor.make("Overlay video"))) == 12
    with zipfile.ZipFile(visitor.make("Masks")) as archive:
        assert archive.namelist() == [f"masks/{i:05d}.png" for i in range(12)]
        with archive.open("masks/00003.png") as file:
            labels = np.asarray(PillowImage.open(file))
    assert (labels[24, 21], labels[12, 48], labels[0, 0]) == (1, 2, 0)
    with zipfile.ZipFile(visitor.make("Cut-out")) as archive, archive.open("cut-out/00003.png") as file:
        rgba = np.asarray(PillowImage.open(file))
    assert rgba.shape == (48, 64, 4)
    assert (rgba[12, 48, 3], rgba[0, 0, 3]) == (255, 0)
    assert rgba[0, 0].tolist() == [0, 0, 0, 0]
    data = json.loads(visitor.make("JSON").read_text())
    assert data["expressions"] == ["the dog", "thing 1"]
    assert data["video"]["name"] == "dog.mp4"
    assert data["model"] == {"name": "circles", "version": "1"}


def test_the_overlay_is_that_of_the_command(visitor: Visitor, tmp_path: Path) -> None:
    assert visitor.start("the dog\nthe car").ended.wait(30)
    visitor.set_colour(1, "#ff0080")
    path, finished = tmp_path / "overlay.mp4", visitor.finished
    assert finished is not None
    style = OverlayStyle(colours=[(255, 64, 64), (255, 0, 128)])
    with OverlayWriter(path, finished.found.names, 10.0, style=style) as writer:
        for number, frame in enumerate(open_video(finished.video).read((16, 16))):
            writer.write(finished.found.result(number, frame.image, frame.yuv_frame))
    assert video_frames(visitor.make("Overlay video")) == video_frames(path)
