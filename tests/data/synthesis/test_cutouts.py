"""What is cut out of pictures, and how."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from coco_folder import Shape
from scene_clips import BLUE, GREEN, PICTURE, RED, make_clip, make_path, write_bank

from vlp_rvos.data.synthesis.cutouts import CutoutBank
from vlp_rvos.data.synthesis.pasting import paste_cutout
from vlp_rvos.data.synthesis.scene_clip import LabelledObject
from vlp_rvos.data.synthesis.stills import StillBank


@pytest.fixture
def bank(tmp_path: Path) -> StillBank:
    return write_bank(tmp_path)


def test_garments_are_cut_out_with_their_person(bank: StillBank) -> None:
    cutouts = CutoutBank([bank])
    assert cutouts.categories == ["car", "person"]
    cutout = cutouts.draw("person", np.random.default_rng(0), 60)
    assert [obj.category for obj in cutout.objects] == ["person", "dress"]
    assert cutout.objects[1].owner == 0
    assert max(cutout.labels.shape[1:]) == 60
    clip = make_clip()
    clip.objects.append(LabelledObject("sky", {1}))
    paste_cutout(clip, cutout, make_path((48, 32)), None)
    _, person, dress = clip.objects
    assert dress.owner == 1
    assert dress.labels < person.labels
    assert np.isin(clip.labels, sorted(dress.labels)).any()


@pytest.mark.parametrize(
    ("category", "box", "whole"),
    [
        ("dog", (50, 20, 100, 60), True),
        ("dog", (0, 20, 50, 60), False),
        ("dog", (110, 20, 160, 60), False),
        ("dog", (50, 0, 100, 40), False),
        ("dog", (50, 50, 100, 90), False),
        ("person", (50, 30, 100, 90), True),
        ("dog", (50, 20, 72, 60), False),
        ("dog", (5, 5, 150, 85), False),
        ("bed", (50, 20, 100, 60), False),
        ("sky", (50, 20, 100, 60), False),
    ],
)
def test_only_whole_objects_are_cut_out(
    tmp_path: Path, category: str, box: tuple[int, int, int, int], whole: bool
) -> None:
    """Neither what a border cuts (but for feet), nor what is tiny, huge or background."""
    bank = CutoutBank([write_bank(tmp_path, [[Shape(category, box, RED)]])])
    assert bank.categories == ([category] if whole else [])


def test_groups_are_not_cut_out(tmp_path: Path) -> None:
    stills = write_bank(tmp_path, [[Shape("horse", (50, 20, 100, 60), RED)]])
    stills.coco._annotations = {
        image: [replace(annotation, crowd=True) for annotation in found]
        for image, found in stills.coco._annotations.items()
    }
    bank = CutoutBank([stills])
    assert bank.categories == []
    assert bank.mounts == {}


def test_mounts_need_not_be_whole(tmp_path: Path) -> None:
    shapes = [Shape("bicycle", (0, 20, 50, 60), BLUE), Shape("dog", (100, 20, 150, 60), RED)]
    bank = CutoutBank([write_bank(tmp_path, [shapes])])
    assert bank.categories == ["dog"]
    assert list(bank.mounts) == ["bicycle"]
    mount = bank.draw_mount(np.random.default_rng(0), 30)
    assert mount is not None
    assert mount.objects[0].category == "bicycle"
    assert max(mount.labels.shape) == 30
    assert CutoutBank([]).draw_mount(np.random.default_rng(0), 30) is None


def test_what_moves_by_itself_is_drawn_more_often(tmp_path: Path) -> None:
    shapes = [Shape("dog", (5, 20, 45, 60), RED), Shape("vase", (60, 20, 100, 60), GREEN)]
    bank = CutoutBank([write_bank(tmp_path, [shapes])])
    assert bank.shares == pytest.approx({"dog": 1 / 1.4, "vase": 0.4 / 1.4})
    rng = np.random.default_rng(0)
    assert {bank.draw_category(rng, frozenset({"dog"})) for _ in range(10)} == {"vase"}
    assert {bank.draw_category(rng) for _ in range(30)} == {"dog", "vase"}


def test_cutouts_hold_the_object_alone(tmp_path: Path) -> None:
    """The cat covers the lower right corner of the dog."""
    shapes = [Shape("dog", (40, 20, 90, 60), RED), Shape("cat", (80, 30, 130, 70), BLUE)]
    bank = CutoutBank([write_bank(tmp_path, [shapes])])
    mirrored = set()
    for seed in range(8):
        cutout = bank.draw("dog", np.random.default_rng(seed), 500)
        assert cutout.labels.shape == (1, 46, 56), "small ones are not enlarged"
        assert cutout.pixels.shape == (1, 46, 56, 3)
        assert [obj.category for obj in cutout.objects] == ["dog"]
        assert set(np.unique(cutout.labels)) == {0, *cutout.objects[0].labels}
        assert (cutout.pixels[cutout.labels > 0] == RED).all()
        corners = cutout.labels[0, 40, 6] > 0, cutout.labels[0, 40, -7] > 0
        assert corners in [(True, False), (False, True)]
        mirrored.add(corners[1])
    assert mirrored == {False, True}


def test_garments_follow_their_person_wherever_it_is_listed(tmp_path: Path) -> None:
    person, dress, car = PICTURE
    bank = CutoutBank([write_bank(tmp_path, [[car, person, dress]])])
    cutout = bank.draw("person", np.random.default_rng(0), 60)
    assert [(obj.category, obj.owner) for obj in cutout.objects] == [("person", None), ("dress", 0)]
