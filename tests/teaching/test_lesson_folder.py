from __future__ import annotations

from pathlib import Path

from coco_folder import Shape, write_coco
from lessons import write_labels

from vlp_rvos.data.sources.described_pictures import DescribedPictures
from vlp_rvos.formats.read_labelled import read_labelled
from vlp_rvos.teaching.lesson import Lesson, check_lesson
from vlp_rvos.teaching.lesson_folder import HELD_OUT, LEARNED, write_lesson


def test_learned_and_held_out_frames_are_described(tmp_path: Path) -> None:
    lesson = Lesson(read_labelled(write_labels(tmp_path / "labels")))
    names = write_lesson(lesson, check_lesson(lesson), tmp_path / "work")
    learned, held_out = (DescribedPictures(tmp_path / "work" / part).pictures for part in (LEARNED, HELD_OUT))
    assert len(learned) == 4
    assert len(held_out) == 2
    assert {picture.name for picture in (*learned, *held_out)} == names.keys()
    said = {x.text: x.thing_ids for x in learned[0].expressions}
    assert {"the red gizmo", "a red gizmo", "red gizmo", "the car", "a car", "car"} == said.keys()
    thing = {thing.id: thing for thing in learned[0].things}[said["a red gizmo"][0]]
    assert (thing.category, thing.mask().sum()) == ("red gizmo", 50 * 50)
    assert [x.text for x in held_out[0].expressions] == ["the red gizmo", "the car"]


def test_two_of_one_name_are_a_group_and_two_sides(tmp_path: Path) -> None:
    lesson = Lesson(read_labelled(write_labels(tmp_path / "labels")), "widget")
    write_lesson(lesson, check_lesson(lesson), tmp_path / "work")
    (picture, *_) = DescribedPictures(tmp_path / "work" / HELD_OUT).pictures
    meant = {x.text: len(x.thing_ids) for x in picture.expressions}
    assert meant == {"the widget": 2, "the widget on the left": 1, "the widget on the right": 1}


def test_a_side_that_is_a_name_too_is_said_once(tmp_path: Path) -> None:
    grey = (90, 90, 90)
    dogs = [Shape("dog", (left, 20, left + 20, 60), grey) for left in (10, 120)]
    pictures = [[*dogs, Shape("dog_on_the_left", (60, 20, 80, 60), grey)], dogs, dogs, dogs]
    lesson = Lesson(read_labelled(write_coco(tmp_path / "labels", pictures)))
    write_lesson(lesson, check_lesson(lesson), tmp_path / "work")
    for part in (LEARNED, HELD_OUT):
        for picture in DescribedPictures(tmp_path / "work" / part).pictures:
            texts = [x.text for x in picture.expressions]
            assert "the dog on the left" in texts
            assert len(set(texts)) == len(texts)
