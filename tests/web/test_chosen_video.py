from __future__ import annotations

from pathlib import Path

import pytest
from clips import brightness, frames, write_video
from PIL import Image

from vlp_rvos.errors import UserError
from vlp_rvos.web.chosen_video import ChosenVideo
from vlp_rvos.web.limits import Limits


def number(image: object) -> int:
    return round((brightness(image) - 40) / 10)  # type: ignore[arg-type]


def test_frames_are_found_by_time(tmp_path: Path) -> None:
    video = ChosenVideo(write_video(tmp_path / "dog.mp4", frames(12)), Limits())
    assert video.seconds == pytest.approx(1.2)
    assert video.last == pytest.approx(1.1)
    assert [number(video.frame_at(time).image) for time in (0, 0.3, 0.33, 1.1, 5)] == [0, 3, 4, 11, 11]


def test_steps_reach_every_frame_of_a_variable_rate(tmp_path: Path) -> None:
    times = [0, 0.1, 0.15, 0.9, 1.0]
    video = ChosenVideo(write_video(tmp_path / "dog.mp4", frames(5), times), Limits())
    there, time = [], 0.0
    for _ in range(6):
        there.append(number(video.frame_at(time).image))
        time = video.frame_after(time).time
    assert there == [0, 1, 2, 3, 4, 4]
    back = []
    for _ in range(6):
        back.append(number(video.frame_at(time).image))
        time = video.frame_before(time).time
    assert back == [4, 3, 2, 1, 0, 0]


def test_files_that_are_no_video_or_too_large_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(UserError, match="cannot be read as a video"):
        ChosenVideo(tmp_path / "text.mp4", Limits())
    path = write_video(tmp_path / "dog.mp4", frames(5))
    with pytest.raises(UserError, match="this page takes"):
        ChosenVideo(path, Limits(max_megabytes=0.0001))


def test_a_small_file_with_a_huge_picture(tmp_path: Path) -> None:
    Image.new("1", (9000, 9000)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="9000 x 9000"):
        ChosenVideo(tmp_path / "a.png", Limits())
