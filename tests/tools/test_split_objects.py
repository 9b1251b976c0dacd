from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import load_tool

from vlp_rvos.data.sources.ytvos import YTVOSDataset

TOOLS = Path(__file__).parents[2] / "tools"


def test_objects_are_split_along_outlines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("scipy")
    split = load_tool("split_objects", monkeypatch)
    names = [f"{f:05}" for f in range(5)]
    for f, name in enumerate(names):
        ids = np.zeros((40, 80), np.uint8)
        ids[10:30, 10 + 8 * f : 30 + 8 * f] = f != 4
        for kind, picture in (("Annotations", ids), ("JPEGImages", np.zeros((40, 80, 3), np.uint8))):
            folder = tmp_path / "data" / kind / "ride"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / f"{name}.{'png' if kind == 'Annotations' else 'jpg'}")
    whole = {"exp": "a person on a bike", "obj_id": "1"}
    meta = {"videos": {"ride": {"frames": names, "expressions": {"0": whole}}}}
    (tmp_path / "data" / "meta_expressions.json").write_text(json.dumps(meta))
    outlines = {
        "ride": {
            "parts": {"person": ["the person"], "bike": ["the bike", "the bicycle"]},
            # The upper half, and of the last but one frame, where the thing is 24 pixels further on, the left half.
            "keyframes": {
                "00000": {"person": [[[0, 0], [79, 0], [79, 19], [0, 19]]]},
                "00003": {"person": [[[34, 0], [43, 0], [43, 39], [34, 39]]]},
            },
        }
    }
    file = tmp_path / "outlines.json"
    file.write_text(json.dumps(outlines))
    arguments = ["split_objects.py", "write", str(tmp_path / "data"), "-o", str(tmp_path / "parts")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--outlines", str(file)])
    assert split.main() == 0

    parts = YTVOSDataset(tmp_path / "parts", tmp_path / "data")
    said = [(e.text, e.object_id) for e in parts.videos[0].expressions]
    assert said == [("the person", 1), ("the bike", 2), ("the bicycle", 2)]
    ids = [parts.load_ids("ride", name) for name in names]
    assert [(x > 0).sum() for x in ids] == [400, 400, 400, 400, 0]
    assert (ids[0][10:20, 10:30] == 1).all()
    assert (ids[0][20:30, 10:30] == 2).all()
    assert (ids[3][10:30, 34:44] == 1).all()
    assert (ids[3][10:30, 44:54] == 2).all()
    # In between, the outlines move with the thing and go over into each other.
    assert (ids[1][11:18, 20:26] == 1).all()
    assert (ids[1][24:29, 29:37] == 2).all()

    file.write_text(json.dumps({"walk": outlines["ride"]}))
    monkeypatch.setattr(sys, "argv", [*arguments, "--outlines", str(file)])
    assert split.main() == 1
    assert "has no video walk" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["split_objects.py", "sheet", str(tmp_path / "nothing"), "ride", "-o", "x.png"])
    assert split.main() == 1
    assert "no such data set folder" in capsys.readouterr().err


def test_outlines_name_their_parts() -> None:
    """What `tools/split_objects.json` says fits together."""
    for name, video in json.loads((TOOLS / "split_objects.json").read_text()).items():
        parts = list(video["parts"])
        texts = [text for texts in video["parts"].values() for text in texts]
        assert len(set(texts)) == len(texts) > 1, name
        for outlines in video["keyframes"].values():
            assert set(outlines) <= set(parts[:-1]), name
            assert all(len(polygon) >= 3 for polygons in outlines.values() for polygon in polygons), name
