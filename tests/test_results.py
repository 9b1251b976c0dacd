"""The result for one frame, and how other libraries take it."""

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
from vlp_rvos.results import FrameResult


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
