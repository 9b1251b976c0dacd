"""Variation of descriptions keeps what expressions say true."""

import numpy as np
import torch

from vlp_rvos.models.choice import relations
from vlp_rvos.training.choice_variation import vary


def descriptors(count: int = 3) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    centre, size = torch.rand(count, 2) * 0.6 + 0.2, torch.rand(count, 2) * 0.2 + 0.1
    boxes = torch.cat([centre - size / 2, centre + size / 2], 1)
    area = size.prod(1, keepdim=True) * 0.7
    shape = torch.stack([torch.full((count,), 0.7), torch.rand(count)], 1)
    geometry = torch.cat([boxes * 2 - 1, size, centre * 2 - 1, area, area.log() / 4 + 1, shape], 1)
    return {
        "looks": torch.randn(count, 8),
        "names": torch.randn(count, 2, 4),
        "classes": torch.rand(count, 5),
        "geometry": geometry,
        "colours": torch.rand(count, 15),
        "surroundings": torch.randn(count, 6),
        "parts": torch.randn(count, 16, 3),
        "motion": torch.randn(count, 7),
    }


def test_same_generator_gives_same_variation_and_keeps_the_input() -> None:
    given = descriptors()
    before = {name: value.clone() for name, value in given.items()}
    first, second = (vary(given, np.random.default_rng(3)) for _ in range(2))
    for name, value in before.items():
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=0)
        torch.testing.assert_close(given[name], value, rtol=0, atol=0)
        assert first[name].shape == value.shape


def test_order_and_relative_size_stay() -> None:
    given = descriptors()
    for seed in range(20):
        varied = vary(given, np.random.default_rng(seed))
        for column in (6, 7, 8):
            assert varied["geometry"][:, column].argsort().tolist() == given["geometry"][:, column].argsort().tolist()
        # Relative offsets, sizes and overlaps are the same up to the stretch of one side.
        before, after = relations(given["geometry"]), relations(varied["geometry"])
        torch.testing.assert_close(after[..., 4:9], before[..., 4:9], rtol=1e-3, atol=1e-3)


def test_boxes_sizes_and_centres_stay_consistent() -> None:
    geometry = vary(descriptors(), np.random.default_rng(1))["geometry"]
    torch.testing.assert_close((geometry[:, 2:4] - geometry[:, :2]) / 2, geometry[:, 4:6], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close((geometry[:, :2] + geometry[:, 2:4]) / 2, geometry[:, 6:8], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(geometry[:, 9], geometry[:, 8].log() / 4 + 1, rtol=1e-4, atol=1e-5)


def test_motion_is_left_alone_and_classes_stay_probabilities() -> None:
    given = descriptors()
    varied = vary(given, np.random.default_rng(5))
    torch.testing.assert_close(varied["motion"], given["motion"])
    assert varied["classes"].min() >= 0
    assert varied["classes"].max() <= 1
    assert not torch.equal(varied["looks"], given["looks"])
