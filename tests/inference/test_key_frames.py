"""Which frames get candidates of their own."""

from __future__ import annotations

import numpy as np
import pytest

from vlp_rvos.arrays import Image
from vlp_rvos.inference.key_frames import find_key_frames


def scene(shift: int = 0, seed: int = 0, brightness: float = 1.0, size: tuple[int, int] = (90, 160)) -> Image:
    """Blocks of random brightness, moved to the right by some pixels."""
    blocks = np.random.default_rng(seed).integers(40, 200, (size[0] // 30 + 1, size[1] // 40 + 3))
    whole = np.kron(blocks, np.ones((30, 40)))[: size[0], 80 - shift : 80 - shift + size[1]]
    return np.repeat((whole * brightness)[..., None], 3, 2).astype(np.uint8)


@pytest.mark.parametrize(
    ("every", "expected"), [(1, [1, 1, 1, 1, 1, 1]), (2, [1, 0, 1, 0, 1, 0]), (3, [1, 0, 0, 1, 0, 0])]
)
def test_in_a_calm_video_every_nth_frame_is_chosen(every: int, expected: list[int]) -> None:
    # It gets darker, which moves nothing.
    images = [scene(brightness=1 - 0.05 * t) for t in range(6)]
    assert find_key_frames(images, every) == [bool(one) for one in expected]


def test_frames_after_a_cut_or_a_large_movement_are_chosen() -> None:
    calm, other = scene(), scene(seed=1)
    assert find_key_frames([calm, calm, other, other, calm], 3) == [True, False, True, False, True]
    assert find_key_frames([scene(12 * t) for t in range(4)], 3) == [True] * 4


def test_small_movements_add_up_until_a_frame_is_chosen() -> None:
    assert find_key_frames([scene(2 * t) for t in range(5)], 5) == [True, False, True, False, True]


def test_of_nothing_nothing_is_chosen() -> None:
    assert find_key_frames([], 2) == []


@pytest.mark.parametrize(("shift", "seed", "is_chosen"), [(0, 0, False), (1, 0, False), (16, 0, True), (0, 1, True)])
def test_little_movement_is_no_change(shift: int, seed: int, is_chosen: bool) -> None:
    assert find_key_frames([scene(), scene(shift, seed)], 2) == [True, is_chosen]


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (145, 289), (720, 1280)])
def test_frames_of_any_size_are_compared(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert find_key_frames([image, image], 2) == [True, False]
    assert len(find_key_frames([image, 255 - image], 2)) == 2
