"""Velocities of patches: known shifts are found, a single frame has none, and motion features start at zero."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vlp_rvos.models.motion import MotionFeatures, patch_velocities

GRID = (14, 16)


def rolling(steps: list[int], axis: int) -> Tensor:
    """(1, T, N, C) random patches, in frame t shifted by steps[t] patches along the axis."""
    scene = torch.randn(*GRID, 32, generator=torch.Generator().manual_seed(0))
    return torch.stack([scene.roll(step, axis) for step in steps]).flatten(1, 2)[None]


@pytest.mark.parametrize(("axis", "component"), [(1, 0), (0, 1)])
@pytest.mark.parametrize("speed", [-1, 1, 2])
def test_a_known_shift_is_found(axis: int, component: int, speed: int) -> None:
    velocities = patch_velocities(rolling([speed * t for t in range(5)], axis), GRID).unflatten(2, GRID)
    # At the border, patches leave on one side and come back on the other, where they are too far away to be found.
    inner = velocities[0, 2, 4:-4, 4:-4]
    expected = torch.zeros(2)
    expected[component] = speed / GRID[axis]
    assert (inner.flatten(0, 1).median(0).values - expected).abs().max() < 0.01


def test_the_ends_of_a_clip_compare_with_the_frames_that_exist() -> None:
    velocities = patch_velocities(rolling([0, 1, 2, 3, 4], 1), GRID)[0, :, :, 0].median(-1).values
    assert torch.allclose(velocities, torch.full((5,), 1 / GRID[1]), atol=0.01)


@pytest.mark.parametrize("length", [1, 2])
def test_short_clips(length: int) -> None:
    velocities = patch_velocities(rolling(list(range(length)), 1), GRID)
    assert velocities.shape == (1, length, GRID[0] * GRID[1], 2)
    assert velocities.isfinite().all()
    assert velocities.any() == (length > 1)


def test_videos_do_not_influence_each_other() -> None:
    first, second = rolling([0, 1, 2], 1), rolling([0, 2, 4], 0)
    together = patch_velocities(torch.cat([first, second]), GRID)
    assert torch.allclose(together, torch.cat([patch_velocities(part, GRID) for part in (first, second)]), atol=1e-6)


def test_relative_velocities_exclude_the_camera() -> None:
    module = MotionFeatures(24)
    seen: list[Tensor] = []
    module.enter.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    module(rolling([0, 1, 2], 1), GRID)
    absolute, relative = seen[0][..., :2], seen[0][..., 2:]
    assert absolute[0, 1, :, 0].median() > 1
    assert relative[0, 1, :, 0].median().abs() < 1e-6


def test_motion_features_start_at_zero() -> None:
    module = MotionFeatures(24)
    features = torch.randn(2, 3, GRID[0] * GRID[1], 7)
    assert not module(features, GRID).any()
    module(features, GRID).sum().backward()
    assert module.leave.bias.grad is not None
