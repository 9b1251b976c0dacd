"""The test of line-ups is made of held-out pictures, in the form that `vlp-rvos evaluate pictures` reads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from coco_folder import Shape, write_coco
from scripts import load_benchmark

from vlp_rvos.data.sources.described_pictures import DescribedPictures
from vlp_rvos.data.sources.holdout import is_held_out

NAMES = ("lizard", "bridge", "bird", "boat", "lamp")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    colours = [(200, 30, 30), (30, 30, 200), (30, 160, 40)]
    people = [
        [
            Shape("person", (50, 5, 110, 88), (128, 90, 60)),
            Shape("dress", (52, 8, 108, 80), colours[k % 3], "clothing"),
        ]
        for k in range(80)
    ]
    write_coco(root / "stills", people, source="Clothing Co-Parsing")
    write_coco(root / "imagenet", [[Shape(NAMES[k % 5], (40, 20, 120, 80), (200, 30, 30))] for k in range(40)])
    said = {
        f"picture{k}.png": {"objects": {str(k): [f"the {NAMES[(k - 1) % 5]}"]}, "absent": ["the ship"]}
        for k in range(1, 41)
    }
    (root / "imagenet" / "expressions.json").write_text(json.dumps({"images": said}))
    return root


def run(data: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("line_ups", monkeypatch)
    monkeypatch.setattr(sys, "argv", ["line_ups.py", str(data), str(folder), "--count", "6"])
    module.main()


def test_line_ups_are_described_pictures(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(data, tmp_path / "line-ups", monkeypatch)
    written = DescribedPictures(tmp_path / "line-ups")
    assert set(written.origins) == {"expressions", "clothes"}
    origins = [{x.origin for x in picture.expressions} for picture in written.pictures]
    assert origins[:6] == [{"expressions"}] * 6
    assert {"clothes"} in origins[6:]
    in_red = 0
    for picture in written.pictures:
        pixels, things = picture.load_image(), {thing.id: thing for thing in picture.things}
        for x in (x for x in picture.expressions if x.origin == "clothes"):
            assert "left" not in x.text
            if "red" in x.text.split() and x.thing_ids:
                inside = pixels[things[x.thing_ids[0]].mask()].astype(int)
                assert np.median(inside[:, 0] - inside[:, 2]) > 100, "the person that is meant is mostly red"
                in_red += 1
    assert in_red


def test_only_held_out_pictures_are_lined_up(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("line_ups", monkeypatch)
    pictures = module.held_out(data, module.PictureSource("imagenet"))
    assert {picture.name for picture in pictures} == {
        f"picture{k}.png" for k in range(1, 41) if is_held_out(f"picture{k}.png", 0.2)
    }


def test_an_existing_folder_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(SystemExit) as caught:
        run(data, tmp_path, monkeypatch)
    assert caught.value.code == 2
    assert "exists" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_data_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(tmp_path, tmp_path / "line-ups", monkeypatch)
    assert caught.value.code == 2
    assert "looked in" in capsys.readouterr().err
    assert not (tmp_path / "line-ups").exists()
