"""A model with set answers on two described pictures: choices and IoUs by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from described_folder import ANSWERS, box_mask, scripted, write_described

from vlp_rvos.data.sources.described_pictures import DescribedPictures
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.picture_runner import evaluate_pictures, mask_ious


def test_outcomes(tmp_path: Path) -> None:
    done: list[int] = []
    pictures = DescribedPictures(write_described(tmp_path)).pictures
    scores, cases = evaluate_pictures(pictures, scripted(ANSWERS), 0.35, on_picture=done.append)
    assert (done, cases, scores.default_threshold) == ([1, 2], [], 0.35)
    found = {
        one.text: (one.id, one.kind, one.iou, one.best_thing, one.is_right, one.has_pixels) for one in scores.outcomes
    }
    both = pytest.approx(1600 / 3600)
    assert found == {
        "the red car": ("expressions-0", "colour or attribute", 1.0, "1", True, True),
        "the car on the left": ("expressions-1", "position", both, "1", False, True),
        "the car next to the red one": ("expressions-2", "relation", 0.0, "1", False, True),
        "both cars": ("expressions-3", "group", 0.5, "1", None, True),
        "the bus": ("expressions-4", "name", None, None, None, False),
        "the green car": ("expressions-5", "colour or attribute", None, "2", None, True),
        "second car from the left": ("alike-0", "order or count", 0.0, None, False, False),
        "third car": ("alike-1", "order or count", None, "1", None, True),
        "the dog": ("expressions-0", "name", 0.5, "3", True, True),
    }
    assert {one.text: one.candidates for one in scores.outcomes if one.is_true}["the dog"] == 1
    assert [one.f for one in scores.outcomes if one.text in ("the red car", "the bus")] == [1.0, None]


def test_crowds_are_nothing_to_choose(tmp_path: Path) -> None:
    folder = write_described(tmp_path)
    content = json.loads((folder / "instances.json").read_text())
    content["annotations"][0]["iscrowd"] = 1
    (folder / "instances.json").write_text(json.dumps(content))
    scores, _ = evaluate_pictures(DescribedPictures(folder).pictures, scripted(ANSWERS), 0.0)
    found = {one.text: (one.is_right, one.best_thing, one.candidates) for one in scores.outcomes}
    assert found["the red car"] == (None, None, 1)
    assert found["the car next to the red one"] == (False, None, 1)


def test_the_surest_of_the_worst_are_drawn_at_most_two_of_a_picture(tmp_path: Path) -> None:
    pictures = DescribedPictures(write_described(tmp_path)).pictures
    _, cases = evaluate_pictures(pictures, scripted(ANSWERS), 0.0, worst=3)
    assert [(case.video, case.expression) for case in cases] == [
        ("picture1.png", "expressions-2"),
        ("picture1.png", "alike-0"),
        ("picture2.png", "expressions-0"),
    ]
    assert [case.expression for case in evaluate_pictures(pictures, scripted(ANSWERS), 0.0, worst=1)[1]] == [
        "expressions-2"
    ]
    assert cases[0].caption == "relation: IoU 0.0, presence 70"
    assert cases[0].jpeg.startswith(b"\xff\xd8")


def test_nothing_to_score(tmp_path: Path) -> None:
    folder = write_described(tmp_path, expressions={"images": {}})
    with pytest.raises(UserError, match="nothing to score"):
        evaluate_pictures(DescribedPictures(folder).pictures, scripted({}), 0.0)


def test_ious() -> None:
    others = np.stack([box_mask(0, 0, 10, 10), box_mask(5, 0, 15, 10), box_mask(0, 0, 0, 0)])
    assert mask_ious(others[0], others) == pytest.approx([1, 50 / 150, 0])
    assert mask_ious(others[2], others).tolist() == [0, 0, 0]
    assert mask_ious(others[0], others[:0]).shape == (0,)
