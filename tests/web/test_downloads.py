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
from vlp_rvos.web.visitor import Visitor


@pytest.fixture
def visitor(tmp_path: Path) -> Iterator[Visitor]:
    with visiting(tmp_path, frames(12)) as visitor:
        yield visitor


def test_downloads_hold_the_masks(visitor: Visitor) -> None:
    with pytest.raises(UserError, match="no masks yet"):
        visitor.make("Masks")
    visitor.point(0.75, 0.25, True)
    assert visitor.start("the dog").ended.wait(30)
    with av.open(str(visitor.make("Overlay video"))) as container:
        drawn = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(drawn) == 12
    assert np.abs(drawn[0][24, 32].astype(int) - 40).max() > 40 or np.abs(drawn[0][24, 21].astype(int) - 220).max() > 20
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
