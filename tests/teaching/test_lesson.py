from __future__ import annotations

import json
from pathlib import Path

import pytest
from lessons import write_labels
from training_data import write_videos

from vlp_rvos.errors import UserError
from vlp_rvos.formats.read_labelled import read_labelled
from vlp_rvos.teaching.lesson import MAX_HELD_OUT, Lesson, check_lesson, held_out_keys


def test_summary_counts_frames_things_and_names(tmp_path: Path) -> None:
    summary = check_lesson(Lesson(read_labelled(write_labels(tmp_path / "labels"))))
    assert len(summary.frames) == 6
    assert summary.things == {"red gizmo": 6, "car": 6}
    assert not summary.problems
    assert summary.lines() == ['coco: 6 usable frames, things: "red gizmo" 6 times, "car" 6 times']


def test_a_name_takes_the_place_of_labels(tmp_path: Path) -> None:
    summary = check_lesson(Lesson(read_labelled(write_labels(tmp_path / "labels")), "the widget"))
    assert summary.things == {"widget": 12}


def test_every_broken_file_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    folder = write_labels(tmp_path / "labels")
    (folder / "images" / "picture2.png").write_bytes(b"no picture")
    listed = json.loads((folder / "instances.json").read_text())
    listed["annotations"][0]["segmentation"] = {"size": [90, 160], "counts": "broken"}
    (folder / "instances.json").write_text(json.dumps(listed))
    summary = check_lesson(Lesson(read_labelled(folder)))
    assert len(summary.frames) == 5
    assert summary.things == {"red gizmo": 4, "car": 5}
    assert len(summary.problems) == 2
    assert "picture1.png" in summary.problems[0]
    assert "picture2.png" in summary.problems[1]
    assert sum(line.startswith("not usable") for line in summary.lines()) == 2


def test_frames_of_videos_are_named_and_videos_held_out(tmp_path: Path) -> None:
    summary = check_lesson(Lesson(read_labelled(write_videos(tmp_path / "videos", frames=3))))
    assert summary.videos == ["duck", "boat"]
    assert set(summary.things) == {"duck", "duck moving to the left", "boat", "boat moving to the left"}


@pytest.mark.parametrize("pictures", [0, 1])
def test_too_little_is_refused(pictures: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"has {pictures} usable frames"):
        check_lesson(Lesson(read_labelled(write_labels(tmp_path / "labels", pictures))))


@pytest.mark.parametrize("name", [" ", "the \u200d"])
def test_empty_names_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--name"):
        Lesson(read_labelled(write_labels(tmp_path / "labels")), name)


def test_whole_videos_are_held_out_where_there_are_several() -> None:
    frames = {k: "abcd"[k // 5] for k in range(20)}
    assert held_out_keys(frames) == set(range(10, 15))
    assert held_out_keys({0: "a", 1: "a"}) == {1}
    assert held_out_keys(dict.fromkeys(range(8), "")) == {2, 6}
    assert len(held_out_keys(dict.fromkeys(range(400), ""))) == MAX_HELD_OUT
