"""Objects of videos that are pasted elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from training_data import write_parts, write_videos

from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.data.synthesis.moving_cutouts import MovingCutoutBank


def open_bank(folder: Path, images: Path | None = None) -> MovingCutoutBank:
    dataset = YTVOSDataset(folder, images)
    return MovingCutoutBank([(dataset, dataset.videos)])


def test_objects_move_as_in_their_video(tmp_path: Path) -> None:
    bank = open_bank(write_videos(tmp_path))
    directions = set()
    for seed in range(8):
        cutout = bank.draw(4, np.random.default_rng(seed))
        assert cutout is not None
        # The square of 30 pixels moves by 4 pixels a frame.
        assert cutout.pixels.shape == (4, 30, 42, 3)
        assert (cutout.pixels[cutout.labels == 1] > 200).all()
        assert (cutout.labels > 0).sum() == 4 * 30 * 30
        first, last = (np.flatnonzero(cutout.labels[f].any(0))[0] for f in (0, -1))
        directions.add(int(np.sign(last - first)))
    assert directions == {-1, 1}, "some are mirrored"


def test_only_expressions_that_stay_true_come_along(tmp_path: Path) -> None:
    cutout = open_bank(write_videos(tmp_path)).draw(4, np.random.default_rng(0))
    assert cutout is not None
    assert cutout.objects[0].category == ""
    assert cutout.objects[0].expressions in [("a duck",), ("a boat",)], "not where it moves to"


def test_which_videos_are_drawn(tmp_path: Path) -> None:
    bank = open_bank(write_videos(tmp_path))
    found = [bank.draw(4, np.random.default_rng(seed), frozenset({"duck"})) for seed in range(6)]
    assert {cutout.objects[0].expressions for cutout in found if cutout is not None} == {("a boat",)}
    assert bank.draw(4, np.random.default_rng(0), frozenset({"duck", "boat"})) is None
    assert bank.draw(13, np.random.default_rng(0)) is None, "the videos have 12 frames"
    assert bank.draw(4, np.random.default_rng(0), several=True) is None
    assert MovingCutoutBank([]).draw(1, np.random.default_rng(0)) is None


def test_several_objects_of_one_video(tmp_path: Path) -> None:
    videos = write_videos(tmp_path / "videos")
    cutout = open_bank(write_parts(videos, tmp_path / "parts"), videos).draw(3, np.random.default_rng(0), several=True)
    assert cutout is not None
    assert sorted(obj.expressions[0] for obj in cutout.objects) == ["the hull", "the sail"]
    assert {label for obj in cutout.objects for label in obj.labels} == {1, 2}


def test_an_object_that_vanishes_is_not_pasted(tmp_path: Path) -> None:
    bank = open_bank(write_videos(tmp_path))
    for name in ("duck", "boat"):
        file = tmp_path / "Annotations" / name / "00005.png"
        Image.fromarray(np.zeros((72, 128), np.uint8)).save(file)
    assert bank.draw(12, np.random.default_rng(0)) is None
    assert any(bank.draw(4, np.random.default_rng(seed)) is not None for seed in range(8))
