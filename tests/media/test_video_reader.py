"""Opening a video: what is none gets one line that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import cut, noise, write_sound, write_video

from vlp_rvos.errors import UserError
from vlp_rvos.media.video_reader import open_video


def test_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    (tmp_path / "text.txt").write_text("not a video\n" * 100)
    (tmp_path / "nothing").mkdir()
    write_sound(tmp_path / "sound.mp4")
    cut(write_video(tmp_path / "whole.mp4", noise(10)))
    for name, words in {
        "missing.mp4": "no such file",
        "empty.mp4": "is empty",
        "text.mp4": "cannot be read as a video",
        "text.txt": "no video in it",
        "nothing": "no frames",
        "sound.mp4": "no video in it",
        "cut.mp4": "is it complete",
    }.items():
        with pytest.raises(UserError, match=words) as caught:
            open_video(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
