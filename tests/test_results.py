"""The result for one frame: short names for the first expression, the box of all masks, and object ids."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from frame_results import result, result_at

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay import OverlayRenderer
from vlp_rvos.media.rle import decode_mask
from vlp_rvos.results import MAX_OBJECTS, FrameResult, label_map


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


def test_a_result_is_shown_in_one_short_line() -> None:
    one = result(7)
    assert repr(one) == (
        "FrameResult(index=7, time=0.700, name='00007', 64x48: 'the dog that jumps' 12.5 % score 0.90 presence 0.95; "
        "'a red car' 25.0 % score 0.40 presence 0.70)"
    )
    none = np.zeros(9, np.float32)
    many = FrameResult(0, 0.0, one.image, np.zeros((9, 2, 2), bool), none, none, ("x" * 999,) * 9, "\n")
    assert "\n" not in repr(many)
    assert repr(many).endswith("; 6 more)")
    assert len(repr(many)) < 600


# --- checked values --------------------------------------------------------------------------------------------------
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


# --- other libraries -------------------------------------------------------------------------------------------------
def one_of_three() -> FrameResult:
    """Three expressions, of which the second one is found: a box of 10 x 5 pixels."""
    frame = result(3, scores=(0.0, 0.7, 0.0))
    masks = np.zeros_like(frame.masks)
    masks[1, 20:25, 30:40] = True
    return replace(frame, masks=masks, expressions=("a", "b", "c"))


def test_boxes_of_what_is_found() -> None:
    frame = one_of_three()
    assert frame.found.tolist() == [False, True, False]
    assert frame.boxes.dtype == np.float32
    assert frame.boxes.tolist() == [[0] * 4, [30, 20, 39, 24], [0] * 4]
    assert result_at(None).boxes.tolist() == [[0] * 4] * 2


def test_detections_of_supervision() -> None:
    supervision = pytest.importorskip("supervision")
    frame = one_of_three()
    found = frame.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert np.array_equal(found.xyxy, supervision.mask_to_xyxy(frame.masks[1:2]))
    assert np.array_equal(found.mask, frame.masks[1:2])
    assert found.confidence.tolist() == [pytest.approx(0.7)]
    assert (found.class_id.tolist(), found.tracker_id.tolist()) == ([1], [1])
    assert found.data["class_name"].tolist() == ["b"]
    assert len(result_at(None).to_supervision()) == 0


def test_without_supervision_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UserError, match=r"pip install 'vlp-rvos\[supervision\]'"):
        result().to_supervision()


def test_arrays_and_tensors() -> None:
    frame = one_of_three()
    arrays, tensors = frame.to_numpy(), frame.to_torch()
    assert arrays["masks"] is frame.masks
    assert arrays.keys() == tensors.keys() == {"masks", "boxes", "scores", "presences"}
    for name, values in arrays.items():
        assert np.array_equal(tensors[name].numpy(), values)
        assert tensors[name].numpy().dtype == values.dtype


def test_entries_of_coco() -> None:
    frame = one_of_three()
    (entry,) = json.loads(json.dumps(frame.to_coco()))
    assert (entry["image_id"], entry["category_id"], entry["category_name"]) == (3, 2, "b")
    assert entry["bbox"] == [30, 20, 10, 5]
    assert (entry["area"], entry["score"]) == (50, 0.7)
    assert np.array_equal(decode_mask(entry["segmentation"]), frame.masks[1])
    assert result_at(None).to_coco() == []


def test_a_plot_is_the_overlay_of_the_command() -> None:
    frame = result_at((20, 30))
    picture = frame.plot()
    assert np.array_equal(np.asarray(picture), OverlayRenderer(frame.expressions).render(frame))
    shown: list[object] = []
    frame.plot(type("Axes", (), {"imshow": lambda _, image: shown.append(image), "set_axis_off": lambda _: None})())
    assert np.array_equal(np.asarray(shown[0]), np.asarray(picture))
    with pytest.raises(UserError, match="images=True"):
        replace(frame, image=frame.image[:9]).plot()
