"""Motion by block matching, and masks that move with it or do not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vlp_rvos.evaluation.flicker import FlickerMeter, grey_frame, motion_between, warp_mask


def noise(height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_motion_of_the_whole_frame() -> None:
    before = grey_frame(noise())
    now = torch.roll(before, (3, -5), (0, 1))
    motion = motion_between(before, now)
    inside = motion[:, 10:-10, 10:-10]
    assert (inside[0] == -3).all()
    assert (inside[1] == 5).all()
    mask = torch.zeros(48, 64, dtype=torch.bool)
    mask[20:30, 20:40] = True
    assert (warp_mask(mask, motion) == torch.roll(mask, (3, -5), (0, 1))).all()


def test_flat_frames_stand_still() -> None:
    flat = torch.full((20, 30), 77.0)
    assert not motion_between(flat, flat + 1).any()


def test_grey_frames() -> None:
    assert grey_frame(np.full((300, 400, 3), 200, np.uint8)).shape == (120, 160)
    assert grey_frame(np.full((30, 40, 3), 200, np.uint8)) == pytest.approx(np.full((30, 40), 200.0), abs=0.01)


def test_masks_that_move_along_are_steady_and_others_flicker() -> None:
    image = noise()
    masks = np.zeros((3, 48, 64), bool)
    masks[:2, 16:32, 20:40] = True
    meter = FlickerMeter(3)
    for step in range(3):
        moved = np.roll(masks, 2 * step, 2)
        # The second mask is half gone in the frame in the middle; the third one is always empty.
        if step == 1:
            moved[1, 24:] = False
        meter.add(np.roll(image, 2 * step, 1), moved)
    assert meter.means == [pytest.approx(1.0), pytest.approx(0.5), None]
    assert [len(ious) for ious in meter.ious] == [2, 2, 0]


def test_a_mask_that_comes_or_goes_counts_as_flicker() -> None:
    meter = FlickerMeter(1)
    mask = np.zeros((1, 48, 64), bool)
    mask[:, 16:32, 20:40] = True
    for one in (mask, np.zeros_like(mask), np.zeros_like(mask), mask):
        meter.add(noise(), one)
    assert meter.ious == [[0.0, 0.0]]
