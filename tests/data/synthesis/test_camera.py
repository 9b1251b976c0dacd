"""Cameras that stay in the picture, and masks that move with the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_clips import BLUE, SIZE, find_colour, iou, write_bank

from vlp_rvos.data.synthesis.camera import Camera, apply_camera, draw_camera, make_affine_grid
from vlp_rvos.data.synthesis.stills import StillBank


@pytest.fixture
def bank(tmp_path: Path) -> StillBank:
    return write_bank(tmp_path)


@pytest.mark.parametrize("seed", range(30))
def test_the_camera_stays_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = [(90, 160), (300, 100), (64, 64)][seed % 3]
    camera = draw_camera(source, SIZE, 6, rng, focus=(10.0, 10.0, 30.0, 40.0) if seed % 2 else None)
    corners = np.array([[x, y] for x in (-48, 48) for y in (-32, 32)])
    seen = camera.centre[:, None] + np.einsum("fij,cj->fci", camera.matrices(), corners)
    assert (seen > -1e-6).all()
    assert (seen < np.array([source[1], source[0]]) + 1e-6).all()


@pytest.mark.parametrize("seed", range(20))
def test_the_camera_shows_the_focus(seed: int) -> None:
    """At least once its middle, where the focus fits into the view."""
    focus = (100.0, 20.0, 120.0, 40.0)
    camera = draw_camera((90, 160), SIZE, 6, np.random.default_rng(seed), focus)
    points = np.tile([110.0, 30.0], (6, 1))
    seen = camera.to_output(points)
    assert ((seen > 0) & (seen < [SIZE[1], SIZE[0]])).all(1).any()


def test_cameras_differ_in_how_they_move() -> None:
    cameras = [draw_camera((90, 160), SIZE, 6, np.random.default_rng(seed)) for seed in range(40)]
    fixed = [np.ptp(camera.centre, axis=0).max() < 1e-9 for camera in cameras]
    assert 0 < sum(fixed) < 20
    assert any(np.ptp(camera.scale) > 0 for camera in cameras)
    assert any(np.ptp(camera.angle) > 0 for camera in cameras)


def test_the_camera_and_its_inverse() -> None:
    camera = draw_camera((90, 160), SIZE, 5, np.random.default_rng(3))
    points = np.array([[20.0, 10.0]] * 5)
    middle = np.array([SIZE[1], SIZE[0]]) / 2
    source = camera.centre + np.einsum("fij,fj->fi", camera.matrices(), points - middle)
    assert np.allclose(camera.to_output(source), points)


def test_affine_grid_is_torch_s() -> None:
    theta = np.random.default_rng(0).normal(size=(3, 2, 3))
    expected = torch.nn.functional.affine_grid(torch.from_numpy(theta).float(), [3, 1, 5, 7], align_corners=False)
    assert torch.allclose(make_affine_grid(theta, 5, 7), expected, atol=1e-6)


def test_identity_camera_changes_nothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    labels = np.arange(SIZE[0] * SIZE[1], dtype=np.int16).reshape(SIZE)
    camera = Camera(np.array([[48.0, 32.0]] * 2), np.ones(2), np.zeros(2), SIZE)
    frames, moved = apply_camera(pixels, labels, camera)
    assert torch.allclose(frames[1].permute(1, 2, 0), torch.from_numpy(pixels).float(), atol=0.05)
    assert (moved == labels).all()


@pytest.mark.parametrize("seed", range(5))
def test_labels_follow_the_pixels(bank: StillBank, seed: int) -> None:
    still = bank.load(bank.images[0])
    camera = draw_camera(still.labels.shape, SIZE, 4, np.random.default_rng(seed), (90.0, 30.0, 140.0, 70.0))
    frames, labels = apply_camera(still.pixels, still.labels, camera)
    car = np.isin(labels, sorted(still.objects[2].labels))
    assert car.any()
    assert iou(car, find_colour(frames, BLUE)) > 0.93


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_masks_move_exactly_with_the_pixels(seed: int) -> None:
    """A pixel that shows nothing but the object has its label, and one that shows nothing of it has not."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((60, 80), np.int16)
    top, left = rng.integers(0, 40, 2)
    labels[top : top + 20, left : left + 30] = 7
    pixels = np.repeat(np.where(labels == 7, 255, 0)[..., None], 3, axis=-1).astype(np.uint8)
    frames, moved = apply_camera(pixels, labels, draw_camera((60, 80), (24, 32), 3, rng))
    shown = frames[:, 0].numpy()
    assert set(np.unique(moved)) <= {0, 7}
    assert (moved[shown > 254.5] == 7).all()
    assert (moved[shown < 0.5] == 0).all()


def test_every_frame_of_a_video_is_seen_by_its_own_view() -> None:
    pixels = np.stack([np.full((30, 40, 3), 50 * f, np.uint8) for f in range(3)])
    labels = np.stack([np.full((30, 40), f, np.int16) for f in range(3)])
    frames, moved = apply_camera(pixels, labels, draw_camera((30, 40), (16, 16), 3, np.random.default_rng(0)))
    assert frames.amax((1, 2, 3)).tolist() == pytest.approx([0, 50, 100], abs=0.01)
    assert moved.max((1, 2)).tolist() == [0, 1, 2]
