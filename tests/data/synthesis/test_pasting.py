"""Pasted masks follow the pixels exactly, and hide what is behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scene_clips import BLUE, GREEN, RED, SIZE, find_colour, iou, make_clip, make_cutout, make_path

from vlp_rvos.data.synthesis.camera import Camera, apply_camera
from vlp_rvos.data.synthesis.cutouts import Cutout
from vlp_rvos.data.synthesis.motion_paths import draw_path
from vlp_rvos.data.synthesis.pasting import paste_cutout
from vlp_rvos.data.synthesis.scene_clip import LabelledObject, SceneClip


def test_pasted_masks_follow_the_pixels_and_hide_what_is_behind() -> None:
    clip = make_clip()
    paste_cutout(clip, make_cutout(RED), make_path((30, 32), (70, 32)), None)
    paste_cutout(clip, make_cutout(BLUE, side=24), make_path((50, 32)), None)
    masks = [np.isin(clip.labels, sorted(obj.labels)) for obj in clip.objects]
    for mask, colour in zip(masks, (RED, BLUE), strict=True):
        assert iou(mask, find_colour(clip.frames, colour)) > 0.85
    assert not (masks[0] & masks[1]).any()
    assert masks[0][1].sum() < 0.75 * masks[0][0].sum(), "half hidden behind the second"
    assert masks[1][1].sum() == masks[1][0].sum()
    red, blue = clip.measure().objects
    assert red.depth is not None
    assert blue.depth is not None
    assert red.depth < blue.depth
    assert red.track.displacement[0] == pytest.approx(40 / 96, abs=0.03)


def test_pasted_objects_leave_the_picture() -> None:
    clip = make_clip(6)
    paste_cutout(clip, make_cutout(RED), make_path((48, 32), (200, 32), 6), None)
    seen = clip.measure().objects[0].track.visible
    assert seen[0]
    assert not seen[-1]
    assert not find_colour(clip.frames[-1:], RED).any()


def test_still_objects_move_with_the_background() -> None:
    """Pasted without a motion of its own, a thing keeps its place on the moving picture."""
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[95:105, 145:155] = 255
    centre = np.stack([np.linspace(135, 165, 4), np.full(4, 100.0)], -1)
    camera = Camera(centre, np.linspace(0.8, 1.2, 4), np.linspace(-0.1, 0.1, 4), SIZE)
    frames, labels = apply_camera(pixels, np.zeros((200, 300), np.int16), camera)
    white = (frames.amin(1) > 128).numpy()
    clip = SceneClip(frames, labels, [])
    paste_cutout(clip, make_cutout(RED, side=16), make_path((48, 32)), camera)
    for f in range(4):
        marks = [np.argwhere(m[f]).mean(0) for m in (white, np.isin(clip.labels, sorted(clip.objects[0].labels)))]
        assert np.abs(marks[0] - marks[1]).max() < 1.0


@pytest.mark.parametrize("seed", range(12))
def test_turned_and_scaled_masks_follow_the_pixels(seed: int) -> None:
    clip = make_clip(3)
    path = draw_path(3, SIZE, (50, 60), np.random.default_rng(seed))
    cutout = make_cutout(RED, side=60)
    paste_cutout(clip, Cutout(cutout.pixels[:, :50], cutout.labels[:, :50], cutout.objects), path, None)
    assert iou(clip.labels > 0, find_colour(clip.frames, RED)) > 0.85


def test_objects_of_a_cutout_keep_their_relations() -> None:
    clip = make_clip()
    paste_cutout(clip, make_cutout(BLUE), make_path((20, 32)), None)
    labels = np.ones((1, 20, 20), np.int16)
    labels[:, 10:] = 2
    pixels = np.where(labels[..., None] == 1, np.array(RED), np.array(GREEN)).astype(np.uint8)
    worn = LabelledObject("coat", {2}, owner=0, weight=0.5)
    paste_cutout(clip, Cutout(pixels, labels, [LabelledObject("person", {1, 2}), worn]), make_path((60, 32)), None)
    car, person, coat = clip.objects
    assert coat.owner == 1
    assert person.owner is None
    assert coat.labels < person.labels
    assert not car.labels & person.labels
    assert (car.depth, person.depth, coat.depth) == (1, 2, 2)
    assert {obj.kind for obj in clip.objects} == {"pasted"}
    assert coat.weight == pytest.approx(0.7)
    assert iou(np.isin(clip.labels, sorted(coat.labels)), find_colour(clip.frames, GREEN)) > 0.8


def test_brightness() -> None:
    bright, dark = make_clip(), make_clip()
    paste_cutout(bright, make_cutout((100, 100, 100)), make_path((48, 32)), None, 1.5)
    paste_cutout(dark, make_cutout((100, 100, 100)), make_path((48, 32)), None, 0.5)
    assert bright.frames[0, :, 32, 48].tolist() == pytest.approx([150] * 3, abs=1)
    assert dark.frames[0, :, 32, 48].tolist() == pytest.approx([50] * 3, abs=1)
    assert torch.equal(bright.frames[:, :, :10], dark.frames[:, :, :10])


def test_what_never_comes_into_the_picture_covers_nothing() -> None:
    clip = make_clip()
    paste_cutout(clip, make_cutout(RED), make_path((300, 32)), None)
    assert len(clip.objects) == 1
    assert not clip.labels.any()
    assert (clip.frames == 128).all()
