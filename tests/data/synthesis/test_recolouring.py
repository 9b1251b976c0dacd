"""Objects that come in all colours get all of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scene_clips import RED

from vlp_rvos.data.language.colours import COLOURS, count_colours
from vlp_rvos.data.synthesis.recolouring import recolour_objects
from vlp_rvos.data.synthesis.scene_clip import LabelledObject


def test_recolouring_changes_only_the_garment() -> None:
    pixels = np.full((30, 30, 3), RED, np.uint8)
    labels = np.ones((30, 30), np.int16)
    labels[10:20] = 2
    parts = [LabelledObject("person", {1, 2}), LabelledObject("dress", {2}, owner=0)]
    results = [recolour_objects(pixels, labels, parts, np.random.default_rng(seed)) for seed in range(20)]
    assert all((result[labels == 1] == RED).all() for result in results)
    assert 2 < sum((result[labels == 2] != RED).any() for result in results) < 14


@pytest.mark.parametrize("old", [RED, (170, 170, 176), (60, 50, 120)])
def test_recoloured_objects_get_every_colour_that_has_a_hue(old: tuple[int, int, int]) -> None:
    pixels = np.full((12, 12, 3), old, np.uint8)
    labels = np.ones((12, 12), np.int16)
    names: set[str] = set()
    for seed in range(120):
        changed = recolour_objects(pixels, labels, [LabelledObject("coat", {1})], np.random.default_rng(seed), 1.0)
        shares = count_colours(changed.reshape(-1, 3))[0]
        names.add(COLOURS[int(shares.argmax())])
    assert (pixels == old).all(), "the picture itself is not written to"
    assert names >= {"red", "orange", "yellow", "green", "blue", "purple", "pink"}


def test_light_and_shade_stay() -> None:
    pixels = np.repeat(np.linspace(60, 220, 20).astype(np.uint8)[:, None, None], 20, axis=1) * np.array(
        [1, 0, 0], np.uint8
    )
    labels = np.ones((20, 20), np.int16)
    for seed in range(12):
        changed = recolour_objects(pixels, labels, [LabelledObject("car", {1})], np.random.default_rng(seed), 1.0)
        lightness = changed.max(-1)[:, 0].astype(int)
        assert (np.diff(lightness) >= 0).all()
        assert lightness[-1] > lightness[0] + 60


def test_nothing_changes_without_need() -> None:
    pixels, labels = np.full((8, 8, 3), RED, np.uint8), np.ones((8, 8), np.int16)
    rng = np.random.default_rng(0)
    assert recolour_objects(pixels, labels, [LabelledObject("dog", {1})], rng, 1.0) is pixels
    assert recolour_objects(pixels, labels, [LabelledObject("car", {1})], rng, 0.0) is pixels
    assert recolour_objects(pixels, labels, [LabelledObject("car", {5})], rng, 1.0) is pixels, "it is not visible"


def test_an_object_of_many_hues_gets_one() -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:12], pixels[12:] = (180, 20, 20), (20, 120, 140)
    labels = np.ones((20, 20), np.int16)
    for seed in range(12):
        changed = recolour_objects(pixels, labels, [LabelledObject("car", {1})], np.random.default_rng(seed), 1.0)
        hues = np.asarray(Image.fromarray(changed).convert("HSV"))[..., 0].astype(int)
        apart = (hues - hues[0, 0] + 128) % 256 - 128
        assert np.ptp(apart) <= 20
