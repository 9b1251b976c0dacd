"""The detector on its shipped weights, compared with the published network.

`nanodet_reference.json` holds what the published graph computes for pictures that are drawn here and, pixel for pixel
the same, in `tools/nanodet_reference.cjs`, which wrote the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vlp_rvos.models.backbones.nanodet import (
    CLASS_NAMES,
    IMAGE_MEAN,
    IMAGE_STD,
    STRIDES,
    NanoDet,
    NanoDetMaps,
    boxes,
    load_nanodet,
)

SIZE = 416
REFERENCE = Path(__file__).with_name("nanodet_reference.json")


def draw(name: str) -> Tensor:
    """A picture of the reference, (3, 416, 416) uint8 RGB."""
    y, x, channel = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), torch.arange(3), indexing="ij")
    sky = torch.tensor([150, 185, 225]) - torch.where(channel < 2, y // 8, 0)
    ground = torch.tensor([90, 120, 60]) + ((7 * x + 13 * y) & 15)
    background = torch.where(y < 300, sky, ground)
    if name == "texture":
        picture = (((3 + channel) * x + (5 - channel) * y) ^ ((x * y) >> (5 + channel))) & 255
    elif name == "orange":
        distance = (x - 210) ** 2 + (y - 180) ** 2
        disc = (torch.tensor([235, 140, 30]) - distance // 180).clamp(min=0)
        picture = torch.where(distance < 14400, disc, background)
    else:
        right, down = (x - 200).abs(), (y - 160).abs()
        octagon = torch.maximum(torch.maximum(right, down), (right + down) * 5 // 7)
        letters = (down < 28) & (right < 80) & ((x // 13) % 3 != 0)
        face = torch.where(letters, 235, torch.tensor([190, 20, 30]))
        pole = (right < 7) & (y > 160) & (y < 380)
        border = torch.where(octagon < 110, 235, torch.where(pole, 120, background))
        picture = torch.where(octagon < 100, face, border)
    return picture.permute(2, 0, 1).to(torch.uint8)


def normalise(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 -> normalised images."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGE_MEAN, IMAGE_STD))
    return (pictures / 255 - mean) / std


@pytest.fixture(scope="module")
def net() -> NanoDet:
    return load_nanodet()


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(REFERENCE.read_text())
    return content


@pytest.fixture(scope="module")
def drawn(net: NanoDet, reference: dict[str, Any]) -> dict[str, NanoDetMaps]:
    with torch.inference_mode():
        return {name: net(normalise(draw(name)[None])) for name in reference}


def test_it_computes_what_the_published_network_computes(
    reference: dict[str, Any], drawn: dict[str, NanoDetMaps]
) -> None:
    for name, maps in drawn.items():
        for stride in STRIDES:
            expected = reference[name][str(stride)]
            at = torch.tensor(expected["locations"])
            scores = maps.logits[stride][0].flatten(1).sigmoid()[:, at].T
            torch.testing.assert_close(scores, torch.tensor(expected["scores"]), atol=5e-6, rtol=1e-5)
            sides = torch.tensor(expected["sides"]).reshape(len(at), 4, 11).softmax(-1) @ torch.arange(11.0)
            distances = maps.distances[stride][0].flatten(1)[:, at].T
            torch.testing.assert_close(distances, sides * stride, atol=2e-3, rtol=0)
            features = maps.features[stride][0].flatten(1)[:, at[0]]
            torch.testing.assert_close(features, torch.tensor(expected["features"]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "label", "box"),
    [("orange", "orange", (90, 60, 330, 300)), ("stop_sign", "stop sign", (90, 50, 310, 270))],
)
def test_what_is_drawn_is_found(
    drawn: dict[str, NanoDetMaps], name: str, label: str, box: tuple[int, int, int, int]
) -> None:
    maps = drawn[name]
    scores = torch.cat([level.flatten(2) for level in maps.logits.values()], 2)[0].sigmoid()
    found, location = divmod(int(scores.argmax()), scores.shape[1])
    assert CLASS_NAMES[found] == label
    assert scores.max() > 0.5
    torch.testing.assert_close(boxes(maps.distances)[0, location], torch.tensor(box).float(), atol=10, rtol=0)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (160, 32)])
def test_sizes_that_are_multiples_of_32(net: NanoDet, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        maps = net(torch.randn(2, 3, *size))
    channels = {"features": 128, "head_features": 128, "logits": 80, "distances": 4}
    for name, levels in maps._asdict().items():
        assert {stride: tuple(level.shape) for stride, level in levels.items()} == {
            stride: (2, channels[name], size[0] // stride, size[1] // stride) for stride in STRIDES
        }
    assert all(level.min() >= 0 and level.max() <= 10 * stride for stride, level in maps.distances.items())
    assert boxes(maps.distances).shape == (2, sum(level[0, 0].numel() for level in maps.distances.values()), 4)


def test_other_sizes_are_refused(net: NanoDet) -> None:
    with pytest.raises(ValueError, match="96 x 40 pixels: both must be multiples of 32"):
        net(torch.zeros(1, 3, 40, 96))


def test_images_of_a_batch_are_independent(net: NanoDet) -> None:
    images = torch.randn(3, 3, 64, 96)
    with torch.inference_mode():
        together, alone = net(images), net(images[1:2])
    for levels, expected in zip(together, alone, strict=True):
        for stride in STRIDES:
            torch.testing.assert_close(levels[stride][1:2], expected[stride], atol=1e-4, rtol=1e-4)


def test_boxes_surround_the_centres_of_their_locations() -> None:
    distances = {
        8: torch.tensor([1.0, 2.0, 3.0, 4.0])[None, :, None, None].repeat(1, 1, 1, 2),
        16: torch.ones(1, 4, 1, 1),
    }
    assert boxes(distances)[0].tolist() == [[3, 2, 7, 8], [11, 2, 15, 8], [7, 7, 9, 9]]


def test_it_is_frozen_and_gradients_pass(net: NanoDet) -> None:
    assert not net.training
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in net.parameters())
    images = torch.randn(1, 3, 32, 32, requires_grad=True)
    maps = net(images)
    (maps.logits[8].sum() + maps.distances[32].sum()).backward()
    assert images.grad is not None
    assert images.grad.any()


def test_classes_are_those_of_coco() -> None:
    assert len(set(CLASS_NAMES)) == len(CLASS_NAMES) == 80
    assert (CLASS_NAMES[0], CLASS_NAMES[16], CLASS_NAMES[-1]) == ("person", "dog", "toothbrush")
