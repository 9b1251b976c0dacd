from __future__ import annotations

import io
from pathlib import Path

import pytest
from clips import frames, write_video
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.web.examples import Example


def test_the_name_says_what_to_find(tmp_path: Path) -> None:
    example = Example.of(write_video(tmp_path / "polar-bear.mp4", frames(2, (480, 320))))
    assert example.words == "the polar bear"
    assert PillowImage.open(io.BytesIO(example.picture)).size == (240, 160)


def test_a_broken_example_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat.mp4").write_text("no video")
    with pytest.raises(UserError):
        Example.of(tmp_path / "cat.mp4")
