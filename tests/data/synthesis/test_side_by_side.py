"""Pictures side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from coco_folder import Shape, write_coco
from scene_clips import BLUE, RED

from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.synthesis.label_maps import Mask, mask_of
from vlp_rvos.data.synthesis.side_by_side import HEIGHT, join_stills
from vlp_rvos.data.synthesis.stills import Still, StillBank

PERSON, DRESS = Shape("person", (40, 10, 80, 85), BLUE), Shape("dress", (45, 30, 75, 60), RED, "clothing")


def read(folder: Path, *pictures: list[Shape]) -> list[Still]:
    bank = StillBank(CocoFolder(write_coco(folder, list(pictures))))
    return [bank.load(image) for image in bank.images]


def join(stills: list[Still], seed: int, height: int = HEIGHT) -> tuple[Still, Mask]:
    """The joined picture, and the outlines of its objects."""
    still = join_stills(stills, np.random.default_rng(seed), height)
    none = np.zeros((0, *still.labels.shape), bool)
    return still, np.concatenate([none, *(mask_of(still.labels, obj.labels)[None] for obj in still.objects)])


def test_things_stand_beside_each_other_with_their_pixels_and_owners(tmp_path: Path) -> None:
    pictures = read(tmp_path, [PERSON, DRESS], [Shape("car", (20, 20, 100, 70), RED)], [PERSON, DRESS])
    for seed in range(12):
        still, masks = join(pictures, seed)
        assert still.pixels.shape[:2] == still.labels.shape
        assert still.labels.shape[0] == HEIGHT
        assert [obj.category for obj in still.objects] == ["person", "dress", "car", "person", "dress"]
        assert [obj.owner for obj in still.objects] == [None, 0, None, None, 3]
        # No thing is cut, a dress is part of its person and of nothing else, and each is where its colour is.
        assert [[bool((a & b).any()) for b in masks] for a in masks] == [
            [owner == other for other in (0, 0, 1, 2, 2)] for owner in (0, 0, 1, 2, 2)
        ]
        assert (masks[0] >= masks[1]).all()
        centres = [float(np.nonzero(mask)[1].mean()) for mask in masks]
        assert centres[0] < centres[2] < centres[3]
        areas = masks.sum((1, 2))
        assert np.allclose(areas[1] / areas[0], 30 * 30 / (40 * 75), rtol=0.05)
        assert 0.48 * HEIGHT**2 * 3000 / 90**2 < areas[0] < 1.03 * HEIGHT**2 * 3000 / 90**2 + 1
        inside = still.pixels[masks[1]].astype(int)
        assert (np.abs(inside - RED).max(1) < 60).mean() > 0.9


def test_people_are_told_apart_by_their_clothes_at_times(tmp_path: Path) -> None:
    pictures = read(tmp_path, [PERSON, DRESS], [PERSON, DRESS])
    people = [join(pictures, seed)[0].objects[0] for seed in range(40)]
    assert 10 < sum(person.told_by == "clothing" for person in people) < 36
    dresses = [join(pictures, seed)[0].objects[1] for seed in range(40)]
    assert 2 < sum(dress.referable for dress in dresses) < 20
    assert all(dress.told_by is None for dress in dresses)


def test_what_is_lost_in_scaling_is_not_found_in_the_next_picture(tmp_path: Path) -> None:
    specks = [Shape("cup", (x, 4, x + 1, 5), RED) for x in range(20, 140, 4)]
    stills = read(tmp_path, [Shape("car", (10, 20, 150, 80), BLUE), *specks], [PERSON, DRESS])
    for seed in range(8):
        _, masks = join(stills, seed, height=24)
        *cups, person, _ = masks[1:]
        assert not all(cup.any() for cup in cups), "the case that is tested"
        assert not (np.any(cups, 0) & person).any()
        assert person.sum() > 30


def test_absent_is_what_no_picture_may_show(tmp_path: Path) -> None:
    first, second = read(tmp_path, [PERSON, DRESS], [PERSON, DRESS])
    first.absent_nouns, second.absent_nouns = ("tie", "hat"), ("hat", "bag")
    assert join([first, second], 0)[0].absent_nouns == ("hat",)


def test_a_picture_without_things_stays_whole(tmp_path: Path) -> None:
    still, *_ = read(tmp_path, [PERSON])
    still.objects, still.labels = [], np.zeros_like(still.labels)
    joined, outlines = join([still] * 2, 0)
    assert joined.labels.shape == outlines.shape[1:] == joined.pixels.shape[:2]
    assert (joined.objects, len(outlines)) == ([], 0)
