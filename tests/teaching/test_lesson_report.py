from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from lessons import write_labels
from PIL import Image

from vlp_rvos.data.sources.described_pictures import DescribedPictures
from vlp_rvos.formats.read_labelled import read_labelled
from vlp_rvos.media.rle import encode_mask
from vlp_rvos.teaching.lesson import Lesson, LessonSummary, check_lesson
from vlp_rvos.teaching.lesson_folder import HELD_OUT, write_lesson
from vlp_rvos.teaching.lesson_report import lesson_report, write_pictures
from vlp_rvos.teaching.lesson_scores import Answer, LessonScores


def answers(picture: str, meant: tuple[str, ...] = ("0",)) -> list[Answer]:
    mask = encode_mask(np.ones((90, 160), bool))
    return [Answer(picture, "the red gizmo", meant, 0.25, mask), Answer(picture, "the dog", None, None, mask)]


def test_report_has_what_was_asked_before_and_after() -> None:
    before = answers("1.jpg")
    after = [replace(before[0], j=0.75), before[1]]
    tried = [((0.0, 0.0), LessonScores(0.25, {}, 0.0, 1.0)), ((0.0, 1.0), LessonScores(0.75, {}, 0.0, 0.9))]
    summary = LessonSummary("coco", frames={0: "", 1: ""}, problems=["2.png: broken"])
    summary.things["red gizmo"] = 2
    report = lesson_report(summary, {"1.jpg": "one.png"}, (0.0, 1.0), tried, (before, after))
    assert report["gained"]
    assert (report["before"]["j"], report["after"]["j"]) == (0.25, 0.75)
    assert report["expressions"] == [{"frame": "one.png", "expression": "the red gizmo", "before": 0.25, "after": 0.75}]
    assert (report["lesson"]["held_out"], report["lesson"]["problems"]) == (["one.png"], ["2.png: broken"])
    assert not lesson_report(summary, {"1.jpg": "one.png"}, (0.0, 0.0), tried, (before, before))["gained"]


def test_pictures_show_both_masks_under_safe_names(tmp_path: Path) -> None:
    lesson = Lesson(read_labelled(write_labels(tmp_path / "labels")))
    write_lesson(lesson, check_lesson(lesson), tmp_path)
    pictures = DescribedPictures(tmp_path / HELD_OUT).pictures
    asked = answers(pictures[0].name, pictures[0].expressions[0].thing_ids)
    write_pictures(tmp_path / "drawn", pictures, {pictures[0].name: "../one.png"}, (asked, asked))
    (drawn,) = (tmp_path / "drawn").iterdir()
    assert drawn.name == "000-one.png-the-red-gizmo.jpg"
    assert Image.open(drawn).size == (2 * 160 + 6, 90)


def test_a_text_that_an_earlier_version_stored_twice_has_two_pictures(tmp_path: Path) -> None:
    lesson = Lesson(read_labelled(write_labels(tmp_path / "labels")))
    write_lesson(lesson, check_lesson(lesson), tmp_path)
    pictures = DescribedPictures(tmp_path / HELD_OUT).pictures
    mask = encode_mask(np.ones((90, 160), bool))
    asked = [Answer(pictures[0].name, "the car", meant, None, mask) for meant in (("1",), ())]
    write_pictures(tmp_path / "drawn", pictures, {pictures[0].name: "one"}, (asked, asked))
    # With what is meant outlined, and without.
    meant, nothing = (np.asarray(Image.open(path)) for path in sorted((tmp_path / "drawn").iterdir()))
    assert not np.array_equal(meant, nothing)
