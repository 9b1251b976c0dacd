"""Stray parts of masks are dropped by their share of the largest part, and nothing else changes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays

from vlp_rvos import Segmenter
from vlp_rvos.errors import UserError
from vlp_rvos.inference.components import label_components, remove_small_components
from vlp_rvos.models.model_config import ModelConfig


def two_parts(small: int = 8, logit: float = 3.0) -> torch.Tensor:
    """A square of 24 pixels and one of `small`, far from each other."""
    logits = torch.full((1, 64, 96), -3.0)
    logits[:, 8:32, 8:32] = logit
    logits[:, 44 : 44 + small, 72 : 72 + small] = logit
    return logits


@pytest.mark.parametrize(("share", "parts"), [(0.0, 2), (0.1, 2), (0.12, 1), (1.0, 1)])
def test_the_share_decides(share: float, parts: int) -> None:
    """8 x 8 is a ninth of 24 x 24."""
    before = two_parts()
    after = remove_small_components(before, 0.0, share)
    assert torch.equal(after[:, :40], before[:, :40])
    assert bool((after[:, 40:] > 0).any()) == (parts == 2)
    assert (after <= before).all()


def test_specks_go_but_not_those_at_a_part_that_stays() -> None:
    before = two_parts()
    before[:, 44:] = -3.0
    beside, far = (slice(9, 11), slice(33, 35)), (slice(50, 52), slice(80, 82))
    for rows, columns in (beside, far):
        before[:, rows, columns] = 3.0
    after = remove_small_components(before, 0.0, 0.25)
    assert (after[:, *far] < 0).all()
    after[:, *far] = 3.0
    assert torch.equal(after, before), "nothing else changes"


def test_a_mask_of_specks_alone_stays() -> None:
    specks = torch.full((2, 64, 96), -3.0)
    specks[0, 9:11, 33:35] = 3.0
    specks[1] = two_parts()[0]
    assert torch.equal(remove_small_components(specks, 0.0, 0.25)[0], specks[0])


def test_sides_need_not_be_multiples_of_a_cell() -> None:
    before = two_parts()[:, :62, :94]
    after = remove_small_components(before, 0.0, 0.5)
    assert after.shape == before.shape
    assert (after[:, 40:] < 0).all()


@given(inside=arrays(bool, (2, 7, 9)))
def test_each_connected_part_has_one_number(inside: npt.NDArray[np.bool_]) -> None:
    names = label_components(inside)
    for picture, numbers in zip(inside, names, strict=True):
        left, parts = {(int(y), int(x)) for y, x in np.argwhere(picture)}, []
        while left:
            part, edge = set(), [left.pop()]
            while edge:
                y, x = edge.pop()
                part.add((y, x))
                around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
                left -= around
                edge += around
            parts.append(part)
        found = {name: set(map(tuple, np.argwhere(numbers == name).tolist())) for name in np.unique(numbers) if name}
        assert sorted(map(sorted, found.values())) == sorted(map(sorted, parts))


def test_equal_parts_stay_and_masks_do_not_see_each_other() -> None:
    both, single = two_parts(small=16)[:, :64], torch.full((1, 64, 96), -3.0)
    single[:, 44:52, 72:80] = 3.0
    stacked = torch.cat([both, single, torch.full((1, 64, 96), -3.0)])
    assert torch.equal(remove_small_components(stacked, 0.0, 0.4), stacked)


def test_corners_connect_and_winding_parts_are_one() -> None:
    logits = torch.full((1, 64, 64), -3.0)
    for step in range(0, 56, 4):
        logits[:, step : step + 4, step : step + 4] = 3.0
    logits[:, 52:56, 0:56] = 3.0
    assert torch.equal(remove_small_components(logits, 0.0, 1.0), logits)


def test_the_cut_counts() -> None:
    weak = two_parts(small=20)
    weak[:, 44:] = weak[:, 44:].clamp(max=-0.5)
    assert torch.equal(remove_small_components(weak, 0.0, 1.0), weak), "it is not in the mask at this cut"
    assert (remove_small_components(weak, -1.0, 1.0)[:, 44:] < -1).all()


def test_the_default_model_drops_them_and_may_be_told_not_to() -> None:
    assert ModelConfig.preset("mini").min_part > 0
    assert ModelConfig().min_part == 0
    with pytest.raises(UserError, match="min_part"):
        ModelConfig(min_part=1.5)
    segmenter = Segmenter.from_pretrained("mini", min_part=0.0)
    assert segmenter.config.min_part == 0
    frames = np.random.default_rng(0).integers(0, 255, (2, 48, 80, 3), dtype=np.uint8)
    kept = [frame.mask for frame in segmenter.segment(frames, "the dog")]
    dropping = Segmenter(segmenter.runtime, min_part=1.0)
    for all_parts, one in zip(kept, dropping.segment(frames, "the dog"), strict=True):
        assert not (one.mask & ~all_parts).any()
