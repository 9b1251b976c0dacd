"""The presence threshold is chosen on data that was not trained on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from coco_folder import Shape, write_coco
from PIL import Image
from scripts import load_tool

from vlp_rvos import FrameResult, Segmenter
from vlp_rvos.errors import UserError

PRESENCES = {"the square": 0.9, "the wrong square": 0.2, "the cat": 0.1}


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_tool("presence_threshold", monkeypatch)


def write_clips(folder: Path) -> Path:
    for name in ("a", "b"):
        for kind, mode, suffix in (("JPEGImages", "RGB", "jpg"), ("Annotations", "P", "png")):
            (folder / kind / name).mkdir(parents=True)
            for frame in range(2):
                square = np.zeros((16, 16), np.uint8)
                square[4:12, 4:12] = 1
                Image.fromarray(square, "L").convert(mode).save(folder / kind / name / f"{frame:05d}.{suffix}")
                if mode == "P":
                    image = Image.fromarray(square, "P")
                    image.putpalette([0, 0, 0, 128, 0, 0])
                    image.save(folder / kind / name / f"{frame:05d}.png")
    expressions = {"0": {"exp": "the square", "obj_id": "1"}, "1": {"exp": "the wrong square", "obj_id": "1"}}
    videos = {name: {"expressions": expressions, "frames": ["00000", "00001"]} for name in ("a", "b")}
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": videos}))
    (folder / "absent_expressions.json").write_text(json.dumps({"videos": {"a": ["the cat"]}}))
    return folder


class FakeSegmenter:
    """Finds the square, unless the words say that it is wrong."""

    def segment(self, images: Iterator[np.ndarray], expressions: list[str]) -> Iterator[FrameResult]:
        for i, image in enumerate(images):
            mask = np.zeros(image.shape[:2], bool)
            mask[4:12, 4:12] = True
            masks = np.stack([mask & ("wrong" not in text) for text in expressions])
            presences = np.array([PRESENCES.get(text, 0.95) for text in expressions], np.float32)
            yield FrameResult(i, i / 24, image, masks, presences, presences, tuple(expressions), f"{i:05d}")


def test_the_whole_script(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = write_coco(tmp_path / "pictures", [[Shape("dog", (4, 4, 12, 12), (255, 0, 0))]] * 3, (16, 16))
    names = {f"picture{i}.png": {"objects": {str(i): ["the dog"]}, "absent": ["the cat"]} for i in (1, 2, 3)}
    (pictures / "expressions.json").write_text(json.dumps({"images": names}))
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_, **__: FakeSegmenter())
    clips = str(write_clips(tmp_path / "clips"))
    options = ["--clips", clips, "--videos", clips, "--hold-out", "b", "--pictures", str(pictures)]
    monkeypatch.setattr(sys, "argv", ["presence_threshold.py", "mini", *options])
    assert tool.main() == 0
    # Right: "the square" in two frames of a and twice in those of b; "the dog" in two pictures. Absent: the cat, in two
    # frames of a and in two pictures.
    assert json.loads(capsys.readouterr().out) == {
        "threshold": 0.899,
        "right": 8,
        "lost": 0,
        "absent": 4,
        "emptied": 4,
    }


def test_a_video_that_is_not_there_is_named(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_, **__: FakeSegmenter())
    options = ["--videos", str(write_clips(tmp_path / "clips")), "--hold-out", "c"]
    monkeypatch.setattr(sys, "argv", ["presence_threshold.py", "mini", *options])
    assert tool.main() == 1
    assert "has no video c" in capsys.readouterr().err


def test_no_more_right_frames_are_lost_than_allowed(tool: ModuleType) -> None:
    right = [i / 100 for i in range(100)]
    for lost, threshold, count in ((0.02, 0.02, 2), (0.0, 0.0, 0), (0.1, 0.1, 10)):
        choice = tool.choose(right, [0.015, 0.5], lost)
        assert (choice.threshold, choice.lost, choice.right) == (threshold, count, 100)
        assert choice.emptied == (lost > 0)
        assert choice.absent == 2
    with pytest.raises(UserError, match="no frame has a right mask"):
        tool.choose([], [], 0.02)


@pytest.mark.parametrize("options", [[], ["--videos", "x"], ["--clips", "x", "--lost", "1"]])
def test_mistakes_in_the_options(tool: ModuleType, options: list[str]) -> None:
    with pytest.raises(SystemExit):
        tool.parse(["mini", *options])
