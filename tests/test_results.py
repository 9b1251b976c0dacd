"""The result for one frame: short names for the first expression, the box of all masks, and object ids."""

from __future__ import annotations

import numpy as np
import pytest
from frame_results import result, result_at

from vlp_rvos.errors import UserError
from vlp_rvos.results import MAX_OBJECTS, label_map


def test_the_best_score_is_on_top() -> None:
    for scores, top in (((0.9, 0.4), 1), ((0.4, 0.9), 2)):
        one = result(scores=scores)
        labels = label_map(one.masks, one.scores)
        assert labels.dtype == np.uint8
        assert labels[40, 20] == top
        assert (labels[0, 0], labels[30, 20], labels[40, 60]) == (0, 1, 2)


def test_the_first_expression_has_short_names() -> None:
    one = result(scores=(0.5, 0.25))
    assert np.array_equal(one.mask, one.masks[0])
    assert (one.score, one.presence) == (0.5, 0.5)


def test_the_box_holds_all_masks_and_no_more() -> None:
    one = result_at((20, 30))
    outside = np.ones(one.masks.shape[1:], bool)
    outside[one.box] = False
    assert not (one.masks.any(0) & outside).any()
    inside = one.masks[:, *one.box].any(0)
    assert inside.any(0)[[0, -1]].all()
    assert inside.any(1)[[0, -1]].all()
    assert np.array_equal(one.labels, label_map(one.masks, one.scores)[one.box])


def test_without_a_mask_the_box_is_empty() -> None:
    one = result_at(None)
    assert one.labels.size == 0


def test_more_masks_than_object_ids() -> None:
    masks = np.zeros((MAX_OBJECTS + 1, 2, 2), bool)
    with pytest.raises(UserError, match="holds 255 objects at most"):
        label_map(masks, np.zeros(len(masks), np.float32))
