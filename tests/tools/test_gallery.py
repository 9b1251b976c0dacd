from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from clips import frames, write_video
from pycocotools import mask as coco_mask
from scripts import load_tool

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("skimage")
    return load_tool("gallery", monkeypatch)


@pytest.mark.parametrize(
    ("area", "overlap", "verdict"),
    [
        (0.3, 0.8, "found"),
        (0.3, 0.3, "**failure**: only partly right"),
        (0.3, 0.1, "**failure**: wrong place"),
        (0.0, 0.0, "**failure**: no mask"),
        (0.3, None, "**failure**: absent, but a mask is drawn"),
        (0.0, None, "nothing marked, as is right"),
    ],
)
def test_verdicts(gallery: ModuleType, area: float, overlap: float | None, verdict: str) -> None:
    assert gallery.Finding("it", 0.5, area, overlap).verdict == verdict


def test_masks_are_judged_by_the_outline_that_moves_with_the_camera(gallery: ModuleType) -> None:
    def run(thing: str) -> dict[str, object]:
        encoded = [
            coco_mask.encode(np.asfortranarray(m.astype(np.uint8))) for m in gallery.CLIPS["coffee"].masks(thing)
        ]
        return {"frames": [{"objects": [{"expression": "it", "presence": 0.5, "segmentation": x}]} for x in encoded]}

    cup, spoon = (gallery.judge(run(thing), "coffee", ("cup",)) for thing in ("cup", "spoon"))
    assert (cup.expression, cup.presence, cup.overlap) == ("it", 0.5, 1.0)
    assert spoon.overlap < 0.2
    assert 0 < spoon.area < cup.area
    both = gallery.judge(run("cup"), "coffee", ("cup", "spoon"))
    assert cup.area / (cup.area + spoon.area) <= both.overlap < 1
    assert gallery.judge(run("cup"), "coffee", ()).overlap is None


def test_every_scene_can_be_judged(gallery: ModuleType) -> None:
    for clip, named in gallery.SCENES.values():
        assert (TOOLS.parent / "examples" / f"{clip}.mp4").is_file()
        assert {thing for things in named.values() for thing in things} <= gallery.CLIPS[clip].things.keys()


def test_contact_sheet(gallery: ModuleType, tmp_path: Path) -> None:
    row = gallery.shown_frames(write_video(tmp_path / "a.mp4", frames(7)))
    (tmp_path / "sheet.jpg").write_bytes(gallery.contact_sheet([row, row]))
    with gallery.Image.open(tmp_path / "sheet.jpg") as image:
        assert image.size == (4 * 300, 2 * round(300 * 48 / 64))


def test_the_page_is_written_from_what_the_command_left(
    gallery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = []

    def segment(command: list[str], **_: object) -> None:
        commands.append(command[3:-2])
        folder, cat = Path(command[-1]), command[5] == "the cat"
        masks = [np.asfortranarray(m.astype(np.uint8)) for m in gallery.CLIPS["cat"].masks("cat")]
        entries = [{"expression": command[5], "presence": 0.75, "segmentation": coco_mask.encode(m)} for m in masks]
        for entry in entries:
            entry["segmentation"]["counts"] = entry["segmentation"]["counts"].decode()
        (folder / "masks.json").write_text(json.dumps({"frames": [{"objects": [entry]} for entry in entries]}))
        write_video(folder / "overlay.mp4", frames(5 if cat else 9))

    monkeypatch.setattr(gallery.subprocess, "run", segment)
    monkeypatch.setattr(sys, "argv", ["gallery.py", "--only", "cat", "-o", str(tmp_path)])
    gallery.main()
    assert commands == [["segment", "examples/cat.mp4", text] for text in ("the cat", "a dog")]
    page = (tmp_path / "gallery.md").read_text()
    assert "1 of 2 expressions fail." in page
    assert "vlp-rvos segment examples/cat.mp4 'the cat' -o out\n" in page
    assert "| the cat | found | 0.75 |" in page
    assert "| a dog | **failure**: absent, but a mask is drawn | 0.75 |" in page
    with gallery.Image.open(tmp_path / "gallery" / "cat.jpg") as image:
        assert image.size == (4 * 300, 2 * 225)
