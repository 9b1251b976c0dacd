"""Clips under construction, and the samples that they become."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scene_clips import BLUE, RED, SIZE, find_colour, iou, make_clip, make_cutout, make_path

from vlp_rvos.data.language.colours import COLOURS
from vlp_rvos.data.language.expressions import Reference, describe_group, describe_object
from vlp_rvos.data.synthesis.pasting import paste_cutout
from vlp_rvos.data.synthesis.scene_clip import LabelledObject, SceneClip


def test_samples_join_the_masks_of_plurals() -> None:
    clip = make_clip(8)
    paste_cutout(clip, make_cutout(RED), make_path((20, 32), frames=8), None)
    paste_cutout(clip, make_cutout(BLUE), make_path((70, 32), frames=8), None)
    references = [
        describe_group(clip.measure(), np.random.default_rng(0)),
        describe_object(clip.measure(), 1, np.random.default_rng(0)),
    ]
    assert all(references)
    sample = clip.build_sample([reference for reference in references if reference is not None])
    assert sample.kinds == ["several", "pasted"]
    assert iou(sample.masks[0].numpy(), find_colour(sample.frames, RED) | find_colour(sample.frames, BLUE)) > 0.85
    assert iou(sample.masks[1].numpy(), find_colour(sample.frames, BLUE)) > 0.85


@pytest.fixture
def clip() -> SceneClip:
    """A red dog on the left and a blue car on the right."""
    clip = make_clip()
    paste_cutout(clip, make_cutout(RED, "dog"), make_path((20, 32)), None)
    paste_cutout(clip, make_cutout(BLUE, "car"), make_path((70, 32)), None)
    clip.absent_nouns = ("cat", "tree", "boat")
    return clip


def test_labels_are_new(clip: SceneClip) -> None:
    assert make_clip().next_label() == 1
    assert clip.next_label() == 1 + int(clip.labels.max())
    assert clip.size == SIZE


def test_objects_are_measured(clip: SceneClip) -> None:
    scene = clip.measure()
    dog, car = scene.objects
    assert dog.track.x_range == pytest.approx((20 / 96,) * 3, abs=0.02)
    assert car.track.mean_area == pytest.approx(20 * 20 / (64 * 96), rel=0.15)
    assert [COLOURS[obj.colours.argmax()] for obj in (dog, car)] == ["red", "blue"]
    assert scene.absent_nouns == ("cat", "tree", "boat")
    single = SceneClip(clip.frames[:1], clip.labels[:1], clip.objects)
    assert all(obj.motion is None for obj in single.measure().objects), "one picture shows no motion"


def test_large_frames_are_measured_on_fewer_pixels() -> None:
    labels = np.zeros((1, 256, 384), np.int16)
    labels[:, 64:192, 96:288] = 1
    clip = SceneClip(torch.full((1, 3, 256, 384), 128.0), labels, [LabelledObject("dog", {1})])
    track = clip.measure().objects[0].track
    assert track.mean_area == pytest.approx(0.25, abs=0.02)
    assert track.mean_box == pytest.approx((0.25, 0.25, 0.75, 0.75), abs=0.02)


@pytest.mark.parametrize("seed", range(10))
def test_references_differ(clip: SceneClip, seed: int) -> None:
    references = clip.draw_references(np.random.default_rng(seed), 3, 0.3)
    assert 1 <= len(references) <= 3
    assert len({reference.text for reference in references}) == len(references)


def test_the_share_of_absent_expressions(clip: SceneClip) -> None:
    absent = clip.draw_references(np.random.default_rng(0), 3, 1.0)
    assert len(absent) == 3
    assert not any(reference.members for reference in absent)
    present = [clip.draw_references(np.random.default_rng(seed), 3, 0.0) for seed in range(10)]
    assert all(reference.members for references in present for reference in references)


def test_priority_comes_first(clip: SceneClip) -> None:
    for k in (0, 1):
        clip.priority = [k]
        first = [clip.draw_references(np.random.default_rng(seed), 1, 0.9)[0] for seed in range(10)]
        assert {reference.members for reference in first} == {frozenset({k})}


def test_a_clip_without_objects_shows_what_is_absent() -> None:
    empty = make_clip()
    empty.absent_nouns = ("cat",)
    references = empty.draw_references(np.random.default_rng(0), 2, 0.0)
    assert references
    assert not any(reference.members for reference in references)


def test_the_finished_sample(clip: SceneClip) -> None:
    references = [Reference("the dog", frozenset({0})), Reference("a cat", frozenset())]
    sample = clip.build_sample(references)
    assert sample.frames.dtype == torch.uint8
    assert sample.masks.shape == (2, 4, *SIZE)
    assert sample.expressions == ["the dog", "a cat"]
    assert sample.kinds == ["pasted", "absent"]
    assert np.array_equal(sample.masks[0].numpy(), np.isin(clip.labels, sorted(clip.objects[0].labels)))
    assert not sample.masks[1].any()
    assert sample.supervised is None
