"""One label map for overlapping masks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vlp_rvos.data.synthesis.label_maps import Bounds, combine_masks, find_bounds, mask_of


def test_overlaps_get_labels_of_their_own() -> None:
    masks = [np.zeros((4, 6), bool) for _ in range(3)]
    masks[0][:, :4], masks[1][1:3, 2:6] = True, True
    labels, sets = combine_masks(masks, (4, 6))
    for mask, own in zip(masks, sets, strict=True):
        assert (np.isin(labels, sorted(own)) == mask).all()
    assert sets[2] == set()
    assert (labels[~(masks[0] | masks[1])] == 0).all()


@settings(deadline=None, derandomize=True)
@given(arrays(bool, st.tuples(st.integers(0, 5), st.just(4), st.just(5))))
def test_every_mask_can_be_found_again(masks: np.ndarray) -> None:
    labels, sets = combine_masks(list(masks), (4, 5))
    assert labels.dtype == np.int16
    assert len(sets) == len(masks)
    for mask, own in zip(masks, sets, strict=True):
        assert np.array_equal(mask_of(labels, own), mask)
    assert np.array_equal(labels == 0, ~masks.any(0))
    # Two pixels have one label exactly where they lie in the same masks.
    members = masks.reshape(len(masks), 4 * 5).T
    same = (members[:, None] == members[None]).all(-1)
    assert np.array_equal(same, labels.ravel()[:, None] == labels.ravel()[None])


@settings(deadline=None, derandomize=True)
@given(arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))))
def test_bounds_hold_all_and_no_line_more(mask: np.ndarray) -> None:
    bounds = find_bounds(mask)
    assert (bounds is None) == (not mask.any())
    if bounds is not None:
        inside = mask[(slice(None), *bounds.window)]
        assert inside.sum() == mask.sum()
        assert all(edge.any() for edge in (inside[:, 0], inside[:, -1], inside[:, :, 0], inside[:, :, -1]))


def test_bounds_are_left_top_right_bottom() -> None:
    mask = np.zeros((5, 7), bool)
    mask[1:3, 4:6] = True
    assert find_bounds(mask) == Bounds(left=4, top=1, right=6, bottom=3)


def test_no_label_makes_an_empty_mask() -> None:
    labels = np.array([[0, 1], [2, 1]], np.int16)
    assert not mask_of(labels, set()).any()
    assert mask_of(labels, {2, 1}).tolist() == [[False, True], [True, True]]
