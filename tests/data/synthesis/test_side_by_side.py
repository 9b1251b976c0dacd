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


def read(folder: Path, *pictures: list[Shape]) -> list[tuple[Still, Mask]]:
    bank = StillBank(CocoFolder(write_coco(folder, list(pictures))))
    masks = [np.stack([bank.coco.mask(a) for a in bank.coco.annotations_of(image)]) for image in bank.images]
    return [(bank.load(image), mask) for image, mask in zip(bank.images, masks, strict=True)]


def join(pictures: list[tuple[Still, Mask]], seed: int) -> tuple[Still, Mask]:
    stills, masks = zip(*pictures, strict=True)
    return join_stills(stills, masks, np.random.default_rng(seed))


def test_things_stand_beside_each_other_with_their_pixels_and_owners(tmp_path: Path) -> None:
    pictures = read(tmp_path, [PERSON, DRESS], [Shape("car", (20, 20, 100, 70), RED)], [PERSON, DRESS])
    for seed in range(12):
        still, masks = join(pictures, seed)
        assert still.pixels.shape[:2] == still.labels.shape == masks.shape[1:]
        assert still.labels.shape[0] == HEIGHT
        assert [obj.category for obj in still.objects] == ["person", "dress", "car", "person", "dress"]
        assert [obj.owner for obj in still.objects] == [None, 0, None, None, 3]
        # Outlines and labels say the same, no thing is cut, and each is where its colour is.
        labelled = [mask_of(still.labels, obj.labels) for obj in still.objects]
        assert np.array_equal(labelled, masks)
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


def test_absent_is_what_no_picture_may_show(tmp_path: Path) -> None:
    (first, masks), (second, others) = read(tmp_path, [PERSON, DRESS], [PERSON, DRESS])
    first.absent_nouns, second.absent_nouns = ("tie", "hat"), ("hat", "bag")
    still, _ = join([(first, masks), (second, others)], 0)
    assert still.absent_nouns == ("hat",)


def test_a_picture_without_things_stays_whole(tmp_path: Path) -> None:
    (still, masks), *_ = read(tmp_path, [PERSON])
    still.objects, still.labels = [], np.zeros_like(still.labels)
    joined, outlines = join([(still, masks[:0])] * 2, 0)
    assert joined.labels.shape == outlines.shape[1:]
    assert (joined.objects, len(outlines)) == ([], 0)
