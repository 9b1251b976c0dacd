"""Small components of masks are removed by their share of the largest component, and nothing else changes."""

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


def two_squares(small: int = 8, logit: float = 3.0) -> torch.Tensor:
    """A square of 24 pixels and one of `small` pixels, far from each other."""
    logits = torch.full((1, 64, 96), -3.0)
    logits[:, 8:32, 8:32] = logit
    logits[:, 44 : 44 + small, 72 : 72 + small] = logit
    return logits


@pytest.mark.parametrize(("min_share", "components"), [(0.0, 2), (0.1, 2), (0.12, 1), (1.0, 1)])
def test_the_share_decides(min_share: float, components: int) -> None:
    """8 x 8 is a ninth of 24 x 24."""
    before = two_squares()
    after = remove_small_components(before, 0.0, min_share)
    assert torch.equal(after[:, :40], before[:, :40])
    assert bool((after[:, 40:] > 0).any()) == (components == 2)
    assert (after <= before).all()


def test_each_mask_may_have_a_share_of_its_own() -> None:
    before = two_squares().repeat(3, 1, 1)
    # A speck that fills no cell, which 0 keeps too.
    before[:, 2, 90] = 3.0
    after = remove_small_components(before, 0.0, torch.tensor([0.0, 0.1, 0.12]))
    assert torch.equal(after[0], before[0])
    assert (after[:, 40:] > 0).flatten(1).any(1).tolist() == [True, True, False]
    assert (after[1:, 2, 90] < 0).all()


def test_specks_are_removed_unless_a_component_that_stays_is_next_to_them() -> None:
    before = two_squares()
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
    specks[1] = two_squares()[0]
    assert torch.equal(remove_small_components(specks, 0.0, 0.25)[0], specks[0])


def test_sides_need_not_be_multiples_of_a_cell() -> None:
    before = two_squares()[:, :62, :94]
    after = remove_small_components(before, 0.0, 0.5)
    assert after.shape == before.shape
    assert (after[:, 40:] < 0).all()


def flood_filled(picture: npt.NDArray[np.bool_]) -> list[set[tuple[int, int]]]:
    """The cells of each connected component."""
    left, components = {(int(y), int(x)) for y, x in np.argwhere(picture)}, []
    while left:
        component, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            component.add((y, x))
            around = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= around
            edge += around
        components.append(component)
    return components


@given(inside=arrays(bool, (2, 7, 9)))
def test_each_component_has_a_number_of_its_own(inside: npt.NDArray[np.bool_]) -> None:
    labels = label_components(inside)
    seen: set[int] = set()
    for picture, numbers in zip(inside, labels, strict=True):
        assert not numbers[~picture].any()
        names = set(np.unique(numbers[picture]).tolist())
        assert all(name > 0 for name in names)
        assert not names & seen
        seen |= names
        found = [set(map(tuple, np.argwhere(numbers == name).tolist())) for name in names]
        assert sorted(map(sorted, found)) == sorted(map(sorted, flood_filled(picture)))


def test_components_as_large_as_the_largest_stay_and_masks_do_not_affect_each_other() -> None:
    both, single = two_squares(small=16)[:, :64], torch.full((1, 64, 96), -3.0)
    single[:, 44:52, 72:80] = 3.0
    stacked = torch.cat([both, single, torch.full((1, 64, 96), -3.0)])
    assert torch.equal(remove_small_components(stacked, 0.0, 0.4), stacked)


def test_corners_connect_and_a_winding_component_is_one() -> None:
    logits = torch.full((1, 64, 64), -3.0)
    for step in range(0, 56, 4):
        logits[:, step : step + 4, step : step + 4] = 3.0
    logits[:, 52:56, 0:56] = 3.0
    assert torch.equal(remove_small_components(logits, 0.0, 1.0), logits)


def test_the_logit_threshold_counts() -> None:
    weak = two_squares(small=20)
    weak[:, 44:] = weak[:, 44:].clamp(max=-0.5)
    assert torch.equal(remove_small_components(weak, 0.0, 1.0), weak), "it is not in the mask at this threshold"
    assert (remove_small_components(weak, -1.0, 1.0)[:, 44:] < -1).all()


def test_the_default_model_removes_them_and_an_option_keeps_them() -> None:
    assert ModelConfig.preset("mini").min_part > 0
    assert ModelConfig().min_part == 0
    with pytest.raises(UserError, match="min_part"):
        ModelConfig().replace(min_part=1.5)
    segmenter = Segmenter.from_pretrained("mini", min_part=0.0)
    assert segmenter.config.min_part == 0
    frames = np.random.default_rng(0).integers(0, 255, (2, 48, 80, 3), dtype=np.uint8)
    kept = [frame.mask for frame in segmenter.segment(frames, "the dog")]
    removing = Segmenter(segmenter.runtime, min_part=1.0)
    for all_components, largest in zip(kept, removing.segment(frames, "the dog"), strict=True):
        assert not (largest.mask & ~all_components).any()
