from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from coco_folder import Shape, write_coco
from torch import Tensor

from vlp_rvos.pretraining import crops
from vlp_rvos.pretraining.align_config import AlignConfig
from vlp_rvos.pretraining.crops import AnnotatedImage, annotated_images, cache_crops, random_crop

SHAPES = [
    Shape("car", (10, 20, 70, 60), (200, 30, 30)),
    Shape("dog", (90, 30, 150, 80), (30, 160, 60)),
    Shape("car", (20, 62, 60, 80), (200, 30, 30)),
]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlignConfig:
    """Two photographs, of which the second one is held out."""
    monkeypatch.setattr(crops, "is_held_out", lambda name: name == "picture2.png")
    return AlignConfig(stills=str(write_coco(tmp_path / "stills", [SHAPES, SHAPES[:1]])), videos="", crops=3)


class Stem:
    """In place of mini's backbone: the map at stride 16 is the mean colour, the others are zeros."""

    def normalize(self, image: Tensor) -> Tensor:
        return image

    def stem_maps(self, image: Tensor) -> dict[int, Tensor]:
        mean = torch.nn.functional.avg_pool2d(image.float(), 16)
        return {16: mean, 32: torch.zeros(1, 2, 3, 4), 0: torch.zeros(1, 5, 3, 4)}


def white_left_half(size: tuple[int, int]) -> AnnotatedImage:
    mask = np.zeros((1, *size), dtype=bool)
    mask[..., : size[1] // 2] = True
    image = np.where(mask[0, ..., None], 255, 0).astype(np.uint8).repeat(3, -1)
    return AnnotatedImage(image, mask, [["left"]], held_out=False, crops=1)


def test_a_region_is_all_of_a_category_with_its_synonyms(config: AlignConfig) -> None:
    first, second = annotated_images(config)
    assert first.phrases == [["car", "vehicle", "automobile"], ["dog", "animal", "puppy", "pet"]]
    assert first.masks.shape == (2, 90, 160)
    assert [mask.sum() for mask in first.masks] == [60 * 40 + 40 * 18, 60 * 50]
    assert ((first.held_out, first.crops), second.held_out) == ((False, 3), True)


@pytest.mark.parametrize(
    ("size", "shape"), [((90, 160), (224, 384)), ((160, 90), (384, 224)), ((100, 110), (288, 288))]
)
def test_the_crop_has_the_shape_of_its_image(size: tuple[int, int], shape: tuple[int, int]) -> None:
    image, regions = random_crop(white_left_half(size), np.random.default_rng(0), whole=True)
    assert image.shape == (3, *shape)
    assert regions.shape == (1, shape[0] // 16, shape[1] // 16)
    # Neither mirrored nor recoloured.
    assert torch.equal(image[:, :, 0], torch.ones(3, shape[0]))
    assert torch.equal(regions[0, :, 0], torch.ones(shape[0] // 16))
    assert not regions[0, :, -1].any()


def test_image_and_regions_are_changed_together() -> None:
    source = white_left_half((90, 160))
    mirrored = 0
    for seed in range(20):
        image, regions = random_crop(source, np.random.default_rng(seed), whole=False)
        assert 0 <= image.min() <= image.max() <= 1
        bright = torch.nn.functional.avg_pool2d(image.mean(0)[None], 16)[0]
        inside, outside = regions[0] == 1, regions[0] == 0
        if inside.any() and outside.any():
            assert bright[inside].min() > bright[outside].max() + 0.3
        mirrored += bool(regions[0, 0, 0] < regions[0, 0, -1])
    assert 3 < mirrored < 17


def test_crops_of_held_out_images_are_whole_and_taken_once(config: AlignConfig) -> None:
    found, vocabulary = cache_crops(Stem(), config)
    assert [crop.held_out for crop in found].count(True) == 1
    assert 1 <= [crop.held_out for crop in found].count(False) <= 3
    assert vocabulary[: len(found[0].phrases[0])] == [vocabulary[i] for i in found[0].phrases[0]]
    assert set(vocabulary) <= {"car", "vehicle", "automobile", "dog", "animal", "puppy", "pet"}
    for crop in found:
        assert crop.regions.shape == (len(crop.phrases), 14, 24)
        assert crop.maps[16].shape == (3, 14, 24)
        assert (crop.regions.flatten(1).amax(1) > 0.3).all()
        assert {tensor.dtype for tensor in (crop.regions, *crop.maps.values())} == {torch.bfloat16}


def test_crops_without_a_region_are_left_out(config: AlignConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = AnnotatedImage(np.zeros((90, 160, 3), np.uint8), np.zeros((1, 90, 160), bool), [["car"]], False, 2)
    monkeypatch.setattr(crops, "annotated_images", lambda _: [empty])
    assert cache_crops(Stem(), config) == ([], [])
