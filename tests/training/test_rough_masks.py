from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vlp_rvos.models.candidates import mask_overlaps
from vlp_rvos.training.rough_masks import FARTHEST, ROUGHEST, _move, rough_masks, spoil
from vlp_rvos.training.stage_config import RefinementStage

CLEAN = RefinementStage(spoilt=0.0, proposed=1.0)


def box(top: int, bottom: int, left: int, right: int) -> Tensor:
    mask = torch.zeros(40, 48, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


THINGS = torch.stack([box(2, 14, 2, 20), box(20, 36, 24, 44), box(20, 23, 2, 5)])
#: One that fits the first thing, and one that fits nothing well.
CANDIDATES = torch.stack([box(3, 15, 2, 20), box(10, 30, 10, 30)]).float() * 10 - 5


def drawn(stage: RefinementStage, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    return rough_masks(CANDIDATES, THINGS, stage, np.random.default_rng(seed))


def test_things_are_learned_from_what_is_proposed_or_from_their_outline() -> None:
    pairs = drawn(CLEAN)
    # The smallest is too small to be redrawn.
    assert len(pairs) == 2
    of = {int(truth.nonzero()[0, 0]): (logits > 0) for logits, truth in pairs}
    assert torch.equal(of[2], CANDIDATES[0] > 0)
    assert mask_overlaps(of[20][None], THINGS[1:2])[0, 0] > 0.9
    outlines = {int(truth.nonzero()[0, 0]): (logits > 0) for logits, truth in drawn(replace(CLEAN, proposed=0.0))}
    assert mask_overlaps(outlines[2][None], THINGS[:1])[0, 0] > 0.9


def test_the_number_of_things_is_limited() -> None:
    assert len(drawn(replace(CLEAN, things=1))) == 1
    assert rough_masks(CANDIDATES[:0], THINGS, CLEAN, np.random.default_rng(0))
    assert rough_masks(CANDIDATES, THINGS[:0], CLEAN, np.random.default_rng(0)) == []


def test_spoilt_masks_are_worse_but_still_masks_of_the_thing() -> None:
    overlaps = []
    for seed in range(40):
        for logits, truth in drawn(RefinementStage(spoilt=1.0, proposed=0.0), seed):
            assert logits.isfinite().all()
            overlaps.append(float(mask_overlaps((logits > 0)[None], truth[None])))
    assert min(overlaps) >= ROUGHEST
    assert np.mean(overlaps) < 0.95
    assert max(overlaps) > 0.95


def test_what_is_spoilt_follows_from_the_generator() -> None:
    logits = THINGS[0].float() * 10 - 5
    first, second = (spoil(logits, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, spoil(logits, np.random.default_rng(4)))
    assert torch.equal(logits, THINGS[0].float() * 10 - 5), "it must be a new mask"


def test_a_moved_mask_is_near_and_about_as_large() -> None:
    logits, side = THINGS[1].float() * 10 - 5, float(THINGS[1].sum()) ** 0.5
    moved = [_move(logits, np.random.default_rng(seed)) > 0 for seed in range(20)]
    centres = torch.stack([mask.nonzero().float().mean(0) for mask in moved])
    ways = (centres - THINGS[1].nonzero().float().mean(0)).abs().amax(1)
    assert ways.max() <= FARTHEST * side + 1
    assert ways.max() > 0.5 * FARTHEST * side
    areas = torch.stack([mask.sum() for mask in moved]) / THINGS[1].sum()
    assert 0.8 < areas.min() < 0.95
    assert 1.05 < areas.max() < 1.25


def test_an_empty_mask_may_be_spoilt() -> None:
    for seed in range(8):
        assert spoil(torch.full((16, 16), -9.0), np.random.default_rng(seed)).shape == (16, 16)
