"""The scripts in `tools/` that make what the documents show."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from clips import frames, write_video
from pycocotools import mask as coco_mask

TOOLS = Path(__file__).parents[1] / "tools"


def tool(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("skimage")
    return tool("gallery", monkeypatch)


@pytest.mark.parametrize(
    ("presence", "area", "overlap", "verdict"),
    [
        (0.9, 0.3, 0.8, "found"),
        (0.1, 0.3, 0.8, "**failure**: found, but said not to be there"),
        (0.9, 0.3, 0.3, "**failure**: only partly right"),
        (0.9, 0.3, 0.1, "**failure**: wrong place"),
        (0.9, 0.0, 0.0, "**failure**: no mask"),
        (0.9, 0.3, None, "**failure**: is not there, and is said to be"),
        (0.1, 0.0, None, "rightly said not to be there"),
        (0.1, 0.3, None, "rightly said not to be there, though a mask is drawn"),
    ],
)
def test_verdicts(gallery: ModuleType, presence: float, area: float, overlap: float | None, verdict: str) -> None:
    assert gallery.Finding("it", presence, area, overlap).verdict == verdict


def test_masks_are_judged_by_the_outline_that_moves_with_the_camera(gallery: ModuleType) -> None:
    def objects(*masks: np.ndarray) -> dict[str, object]:
        encoded = [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]
        return {"objects": [{"presence": 0.5 * i, "segmentation": rle} for i, rle in enumerate(encoded)]}

    cups, spoons = (list(gallery.CLIPS["coffee"].masks(thing)) for thing in ("cup", "spoon"))
    run = {"frames": [objects(cup, spoon, ~cup) for cup, spoon in zip(cups, spoons, strict=True)]}
    named = {"the cup": "cup", "a spoon": "cup", "a bus": None}
    cup, spoon, bus = gallery.judge(run, "coffee", named)
    assert (cup.overlap, bus.overlap) == (1.0, None)
    assert spoon.overlap < 0.2
    assert (cup.presence, spoon.presence, bus.presence) == (0.0, 0.5, 1.0)
    assert cup.area + bus.area == pytest.approx(1)


def test_every_scene_can_be_judged(gallery: ModuleType) -> None:
    for clip, named in gallery.SCENES.values():
        assert (TOOLS.parent / "examples" / f"{clip}.mp4").is_file()
        assert {thing for thing in named.values() if thing is not None} <= gallery.CLIPS[clip].things.keys()


def test_contact_sheet(gallery: ModuleType, tmp_path: Path) -> None:
    sheet = gallery.contact_sheet(write_video(tmp_path / "a.mp4", frames(7)))
    (tmp_path / "sheet.jpg").write_bytes(sheet)
    with gallery.Image.open(tmp_path / "sheet.jpg") as image:
        assert image.size == (4 * 300, round(300 * 48 / 64))


def test_ablation_table_of_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = tool("report", monkeypatch)
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert report.ablation_table() == "Not measured yet."
    run = {"seed": 0, "steps": 3, "numbers": {"iou_present": 0.5}}
    summary = {"compared_with": "full", "rows": [{"name": "full", "title": "full model", "runs": [run]}]}
    (tmp_path / "ablation.json").write_text(json.dumps(summary))
    assert "| full model | 50.0 |" in report.ablation_table()
