"""Masks of earlier clips are carried along: flicker is outvoted, and what is new is not suppressed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.inference.mask_memory import MaskMemory
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.models import checkpoint
from vlp_rvos.models.model_config import ModelConfig

GRID, PATCH = (6, 10), 8
SIZE = (GRID[0] * PATCH, GRID[1] * PATCH)
THERE = torch.ones(1, 3)


def scene(shift: int = 0, seed: int = 0) -> Tensor:
    """(h, w, C) features of patches that all look different, shifted to the right."""
    features = torch.randn(*GRID, 128, generator=torch.Generator().manual_seed(seed))
    return features.roll(shift, 1)


def mask(*columns: int, inside: float = 3.0, outside: float = -3.0) -> Tensor:
    """(H, W) logits that are positive in some columns of patches."""
    logits = torch.full(SIZE, outside)
    for column in columns:
        logits[:, column * PATCH : (column + 1) * PATCH] = inside
    return logits


def clip(*frames: Tensor) -> Tensor:
    return torch.stack(frames)[None]


def columns_of(logits: Tensor) -> list[int]:
    return [column for column in range(GRID[1]) if (logits[:, column * PATCH + PATCH // 2] > 0).all()]


def filled_memory(weight: float = 1.5, frames: int = 4, clips: int = 2) -> MaskMemory:
    """A memory of clips without motion whose masks are column 2."""
    memory = MaskMemory(frames, weight, gap=3)
    for _ in range(clips):
        memory.refine(clip(*[mask(2)] * 3), THERE, torch.stack([scene()] * 3))
    return memory


def test_first_clip_is_left_as_it_is() -> None:
    logits = torch.randn(2, 3, *SIZE)
    found = MaskMemory(4, 1.5, gap=3).refine(logits, torch.ones(2, 3), torch.stack([scene()] * 3))
    assert torch.equal(found, logits)


def test_flicker_is_outvoted_and_masks_follow_what_moves() -> None:
    memory = filled_memory()
    # The scene moves by three patches; the mask flickers to another place, and to nothing.
    frames = [mask(5, 8), mask(), mask(8)]
    found = memory.refine(clip(*frames), THERE, torch.stack([scene(3)] * 3))
    assert [columns_of(frame) for frame in found[0]] == [[5], [5], [5]]
    # A mask that stays long enough prevails.
    for _ in range(12):
        found = memory.refine(clip(*[mask(8)] * 3), THERE, torch.stack([scene(3)] * 3))
    assert columns_of(found[0, -1]) == [8]


def test_another_shot_and_an_absent_target_do_not_count() -> None:
    other = filled_memory().refine(clip(*[mask(8)] * 3), THERE, torch.stack([scene(seed=1)] * 3))
    assert torch.equal(other, clip(*[mask(8)] * 3))
    memory = MaskMemory(4, 1.5, gap=3)
    memory.refine(clip(*[mask()] * 3), torch.full((1, 3), 0.0), torch.stack([scene()] * 3))
    late = memory.refine(clip(*[mask(8)] * 3), THERE, torch.stack([scene()] * 3))
    assert torch.equal(late, clip(*[mask(8)] * 3))


def test_patches_without_a_match_are_left_to_the_frame_itself() -> None:
    memory = filled_memory()
    changed = scene()
    changed[:, 6:8] = torch.randn(GRID[0], 2, 128, generator=torch.Generator().manual_seed(5))
    found = memory.refine(clip(*[mask(2, 6, 7)] * 3), THERE, torch.stack([changed] * 3))
    assert {2, 6, 7} <= set(columns_of(found[0, 0]))


def test_expressions_do_not_mix() -> None:
    memory = MaskMemory(4, 1.5, gap=1)
    both = torch.cat([clip(mask(2)), clip(mask(7))])
    memory.refine(both, torch.ones(2, 1), scene()[None])
    found = memory.refine(torch.cat([clip(mask(8)), clip(mask(7))]), torch.ones(2, 1), scene()[None])
    assert [columns_of(frames[0]) for frames in found] == [[2], [7]]


def test_memory_is_bounded_and_spaced() -> None:
    memory = MaskMemory(2, 1.0, gap=3)
    for _ in range(20):
        memory.refine(clip(mask(2)), THERE[:, :1], scene()[None])
    assert len(memory) == 2
    # Single frames come faster than clips: not all of them are stored.
    spaced = MaskMemory(8, 1.0, gap=3)
    for _ in range(7):
        spaced.refine(clip(mask(2)), THERE[:, :1], scene()[None])
    assert len(spaced) == 3


def test_the_same_scene_at_another_size_counts() -> None:
    memory = filled_memory()
    larger = scene()[None].permute(0, 3, 1, 2)
    larger = F.interpolate(larger, scale_factor=2, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    empty = torch.full((1, 1, 2 * clip(mask()).shape[-2], 2 * clip(mask()).shape[-1]), -1.0)
    found = memory.refine(empty, THERE[:, :1], larger)
    assert set(columns_of(found[0, 0, ::2, ::2])) == {2}


def test_another_scene_at_another_size_does_not_count() -> None:
    memory = filled_memory()
    logits = torch.full((1, 3, 16, 16), -1.0)
    assert torch.equal(memory.refine(logits, THERE, torch.randn(3, 2, 2, 128)), logits)


@pytest.mark.parametrize("values", [(0, 1.0, 1), (1, 0.0, 1), (1, 1.0, 0)])
def test_impossible_settings(values: tuple[int, float, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        MaskMemory(*values)


def test_a_segmenter_has_a_memory_if_its_model_says_so() -> None:
    assert ModelConfig.preset("mini").memory_frames > 0
    assert ModelConfig.preset("clip-b16").memory_frames == 0
    for setting in ({"memory_frames": -1}, {"memory_weight": 0.0}):
        with pytest.raises(UserError, match="memory_"):
            ModelConfig.from_dict(setting)
    segmenter = Segmenter.from_pretrained("mini", size=96, memory_frames=4)
    pictures = [np.random.default_rng(0).integers(0, 256, (54, 96, 3), dtype=np.uint8)] * 14
    stream = segmenter.start("the cat")
    stream.step(pictures)
    assert stream._memory is not None
    assert len(stream._memory) == 2
    stream.reset()
    assert len(stream._memory) == 0
    assert checkpoint.load_model("mini").config.memory_frames > 0
    without = Segmenter(segmenter.runtime, memory_frames=0).start("the cat")
    without.step(pictures)
    assert without._memory is None


@pytest.mark.parametrize(("candidates", "weight"), [(0, 2.0), (32, 0.5)])
def test_masks_of_candidates_are_steadier_so_that_earlier_ones_count_less(candidates: int, weight: float) -> None:
    segmenter = Segmenter.from_pretrained("mini", size=96, overrides={"candidates": candidates, "memory_weight": 2.0})
    memory = segmenter.start("the cat")._memory
    assert memory is not None
    assert memory.weight == weight
