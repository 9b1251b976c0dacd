"""What is said about one frame: checked values, the box of all masks, and object ids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from frame_results import result, result_at

from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_record import MAX_OBJECTS, FrameRecord, label_map


def test_the_best_score_is_on_top() -> None:
    for scores, top in (((0.9, 0.4), 1), ((0.4, 0.9), 2)):
        one = result(scores=scores)
        labels = label_map(one.masks, one.scores)
        assert labels.dtype == np.uint8
        assert labels[40, 20] == top
        assert (labels[0, 0], labels[30, 20], labels[40, 60]) == (0, 1, 2)


def test_of_equal_scores_the_last_one_is_on_top() -> None:
    assert label_map(np.ones((3, 1, 1), bool), np.full(3, 0.5, np.float32)).tolist() == [[3]]


def test_the_first_expression_has_short_names() -> None:
    one = result(scores=(0.5, 0.25))
    assert np.array_equal(one.mask, one.masks[0])
    assert (one.score, one.presence) == (0.5, 0.75)


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
    masks[-2] = True
    assert label_map(masks[:-1], np.zeros(MAX_OBJECTS, np.float32)).tolist() == [[255] * 2] * 2


def test_a_result_is_shown_in_one_short_line() -> None:
    one = result(7)
    assert repr(one) == (
        "FrameResult(index=7, time=0.700, name='00007', 64x48: 'the dog that jumps' 12.5 % score 0.90 presence 0.95; "
        "'a red car' 25.0 % score 0.40 presence 0.70)"
    )
    none = np.zeros(9, np.float32)
    many = FrameRecord(0, 0.0, one.image, np.zeros((9, 2, 2), bool), none, none, ("x" * 999,) * 9, "\n")
    assert "\n" not in repr(many)
    assert repr(many).endswith("; 6 more)")
    assert len(repr(many)) < 600


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("masks", np.zeros((2, 4, 6)), "masks must be 3-dimensional bool"),
        ("masks", [[True]], "masks must be an array"),
        ("image", np.zeros((4, 6), np.uint8), "image must be 3-dimensional uint8"),
        ("image", np.zeros((4, 6, 4), np.uint8), r"\(H, W, 3\)"),
        ("scores", np.zeros(2), "scores must be 1-dimensional float32"),
        ("scores", np.array([0, np.nan], np.float32), r"scores must lie in \[0, 1\]"),
        ("presences", np.array([0, 1.5], np.float32), r"presences must lie in \[0, 1\]"),
        ("presences", np.zeros(3, np.float32), "as many of each"),
        ("expressions", ("one",), "as many of each"),
        ("expressions", "ab", "tuple of texts"),
        ("index", -1, "index must not be negative"),
        ("time", float("nan"), "time must be finite"),
    ],
)
def test_wrong_values_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(result(), **{field: value})
