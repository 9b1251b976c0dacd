"""The scripts in `tools/` that make what the documents show."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from clips import frames, write_video
from PIL import Image
from pycocotools import mask as coco_mask
from safetensors.torch import load, load_file
from stubs import TinyBackbone, tiny_config

from vlp_rvos.data.mixture import Sample
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.models.backbones.mini import MiniBackbone, MiniConfig
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.batches import Batch, collate

TOOLS = Path(__file__).parents[2] / "tools"


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
    def run(thing: str) -> dict[str, object]:
        encoded = [
            coco_mask.encode(np.asfortranarray(m.astype(np.uint8))) for m in gallery.CLIPS["coffee"].masks(thing)
        ]
        return {"frames": [{"objects": [{"expression": "it", "presence": 0.5, "segmentation": x}]} for x in encoded]}

    cup, spoon = (gallery.judge(run(thing), "coffee", "cup") for thing in ("cup", "spoon"))
    assert (cup.expression, cup.presence, cup.overlap) == ("it", 0.5, 1.0)
    assert spoon.overlap < 0.2
    assert 0 < spoon.area < cup.area
    assert gallery.judge(run("cup"), "coffee", None).overlap is None


def test_every_scene_can_be_judged(gallery: ModuleType) -> None:
    for clip, named in gallery.SCENES.values():
        assert (TOOLS.parent / "examples" / f"{clip}.mp4").is_file()
        assert {thing for thing in named.values() if thing is not None} <= gallery.CLIPS[clip].things.keys()


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
    assert "| a dog | **failure**: is not there, and is said to be | 0.75 |" in page
    with gallery.Image.open(tmp_path / "gallery" / "cat.jpg") as image:
        assert image.size == (4 * 300, 2 * 225)


def test_ablation_table_of_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = tool("report", monkeypatch)
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert report.ablation_table() == "Not measured yet."
    run = {"seed": 0, "steps": 3, "numbers": {"iou_present": 0.5}}
    summary = {"compared_with": "full", "rows": [{"name": "full", "title": "full model", "runs": [run]}]}
    (tmp_path / "ablation.json").write_text(json.dumps(summary))
    assert "| full model | 50.0 |" in report.ablation_table()


def test_presence_head_is_trained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    presence = tool("presence", monkeypatch)
    torch.manual_seed(0)
    before = VLPRVOS(TinyBackbone(), tiny_config())
    model = VLPRVOS(TinyBackbone(), tiny_config())
    model.load_trained(before.trained_state_dict())

    class BrightOrNot:
        def sample(self, index: int) -> Sample:
            bright = bool(torch.rand(()) < 0.5)
            frames = torch.full((2, 3, 32, 48), 230 if bright else 20, dtype=torch.uint8)
            return Sample(frames, ["a light"], torch.full((1, 2, 32, 48), bright), ["video"])

    splits: list[str] = []
    monkeypatch.setattr(presence, "build_mixture", lambda _, split: splits.append(split) or BrightOrNot())
    header = SimpleNamespace(training={"steps": 3}, config=before.config.to_dict())
    monkeypatch.setattr(presence, "peek", lambda _: header)
    target = tmp_path / "out.safetensors"
    monkeypatch.setattr(presence, "load_model", lambda _, use: model if use == {"min_part": 0.5} else None)
    kept = tmp_path / "kept"
    numbers = {"samples": 128, "held-out": 32, "heads": 2, "rate": 0.01, "seeds": 5, "small-seeds": 6, "width": 40}
    options = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    options += ["--data", "none", "--keep", str(kept), "--use", "min_part=0.5", "-o", str(target)]
    monkeypatch.setattr(sys, "argv", ["presence.py", "model", *options])
    assert presence.main() == 0
    assert "256 expressions" in capsys.readouterr().out
    assert splits == ["train", "train", "holdout"]
    names = {"train-5-128-288x512", "train-6-128-224x384", "holdout-5-32-288x512"}
    assert {file.name for file in kept.iterdir()} == {f"{name}.safetensors" for name in names}
    # What was read is not read again, and gives the same head.
    first = target.read_bytes()
    assert presence.main() == 0
    assert len(splits) == 3
    assert load_file(target).keys() == load(first).keys()
    assert all(torch.equal(value, load(first)[name]) for name, value in load_file(target).items())

    old, new = before.trained_state_dict(), load_file(target)
    changed = {
        name for name in old if old[name].shape != new[name].shape or not torch.equal(old[name].half(), new[name])
    }
    assert {name.partition(".")[0] for name in changed} == {"presence_head"}
    model = VLPRVOS(TinyBackbone(), before.config.replace(presence_width=40))
    model.load_trained(new)
    frames = torch.tensor([230, 20])[:, None, None, None, None].expand(-1, 2, 3, 32, 48) / 255
    logits = model(frames, model.backbone.tokenize(["a light"] * 2)).presence_logits
    assert (logits[0] > 1).all()
    assert (logits[1] < -1).all()


def test_objects_are_split_along_outlines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("scipy")
    split = tool("split_objects", monkeypatch)
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


@pytest.mark.slow
def test_narrower_mlps_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = tool("narrow", monkeypatch)
    torch.manual_seed(0)
    tower = MiniConfig(width=32, layers=3, heads=2, mlp_width=24)
    wide = VLPRVOS(MiniBackbone(tower).freeze(), tiny_config(motion=True)).eval()
    before = {name: value.clone() for name, value in wide.state_dict().items()}

    class Noise:
        def sample(self, index: int) -> Sample:
            draw = torch.Generator().manual_seed(index)
            frames = torch.randint(256, (4, 3, 64, 96), generator=draw, dtype=torch.uint8)
            masks = torch.zeros(2, 4, 64, 96, dtype=torch.bool)
            return Sample(frames, ["a dog", "the red car on the left"], masks, ["video"] * 2)

    asked: list[tuple[int, str]] = []
    monkeypatch.setattr(narrow, "build_mixture", lambda data, split: asked.append((data.seed, split)) or Noise())
    drawn: list[int] = []

    def batches(data: MixtureConfig, position: int, **_: int) -> Iterator[Batch]:
        asked.append((data.seed, "batches"))
        for index in range(position, 4):
            drawn.append(index)
            yield collate([Noise().sample(index)], clips=2)

    monkeypatch.setattr(narrow, "batches", batches)
    header = SimpleNamespace(training={"steps": 3}, config=wide.config.to_dict())
    monkeypatch.setattr(narrow, "peek", lambda _: header)
    monkeypatch.setattr(narrow, "load_model", lambda _, use: wide if use == {"min_part": 0.5} else None)

    def run(*options: str) -> int:
        kept = ["--data", "none", "--use", "min_part=0.5", "--samples", "2", "--seed", "5", "--keep", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", ["narrow.py", "model", *kept, *options])
        return narrow.main()

    def misses(*options: str) -> list[float]:
        files = ["--backbone", str(tmp_path / "tower.safetensors"), "-o", str(tmp_path / "model.safetensors")]
        assert run(*options, *files) == 0
        return [float(share) for share in re.findall(r"misses ([\d.]+) of", capsys.readouterr().out)]

    # As wide as before, and nothing learned yet: the channels only change their places.
    assert misses("--tower", "24", "--reasoning", "2", "--epochs", "0", "--minutes", "0") == pytest.approx(
        [0] * 9, abs=1e-3
    )
    assert [run("--part", str(part), "2") for part in range(2)] == [0, 0]
    size = ("--tower", "16", "--reasoning", "1.5")
    untaught = misses(*size, "--epochs", "0", "--minutes", "0")
    taught = misses(*size, "--epochs", "40", "--minutes", "1")
    assert all(after < 0.8 * before for before, after in zip(untaught, taught, strict=True))
    assert asked == [(5, "train"), (6, "batches"), *[(5, "train")] * 2, *[(6, "batches")] * 2]
    assert drawn == [0, 0, *range(4)]

    assert run("--tower", "25", "--backbone", "tower", "-o", "model", "--minutes", "0") == 1
    assert "24 channels in the tower" in capsys.readouterr().err

    assert all(torch.equal(value, before[name]) for name, value in wide.state_dict().items())
    backbone = MiniBackbone(replace(tower, mlp_width=16))
    frozen = load_file(tmp_path / "tower.safetensors")
    assert frozen.keys() == backbone.aligned_state_dict().keys()
    changed = {name for name in frozen if frozen[name].shape != before[f"backbone.{name}"].shape}
    assert {name.split(".")[2] for name in changed} == {"fc1", "fc2"}
    info = peek(tmp_path / "model.safetensors")
    assert (info.config["mlp_ratio"], info.training["narrowed"]["steps"]) == (1.5, 4)
    assert info.inference_overrides == {"min_part": 0.5}
