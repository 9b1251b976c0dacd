"""The command `vlp-rvos evaluate pictures`."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from described_folder import ANSWERS, scripted, write_described
from PIL import Image
from stubs import tiny_model

from vlp_rvos.cli.app import main
from vlp_rvos.cli.own_files import is_page, is_report, is_score_table
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.png_mark import is_marked_png


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The models and options that the command has asked for."""
    calls: list[Any] = []

    def load(model: str, options: InferenceOptions) -> Any:
        calls.append((model, options))
        config = tiny_model().config.replace(presence_threshold=0.35)
        return SimpleNamespace(segment=scripted(ANSWERS), runtime=SimpleNamespace(config=config))

    monkeypatch.setattr(Segmenter, "from_pretrained", load)
    return calls


def test_tables_and_files(asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_described(tmp_path / "data")
    files = {name: tmp_path / f"scores.{name}" for name in ("json", "csv", "html", "png")}
    options = ["-o", files["json"], "--csv", files["csv"], "--html", files["html"], "--plot", files["png"]]
    command = ["evaluate", "pictures", folder, "--part", "all", "--model", "mine", "--memory-frames", "2", *options]
    for _ in range(2):
        assert main(list(map(str, command))) == 0
    assert asked[0] == ("mine", InferenceOptions(memory_frames=2, presence_threshold=0.0))
    report = json.loads(files["json"].read_text())
    assert (report["split"], report["model"], report["default_threshold"]) == ("all", "mine", 0.35)
    assert report["metrics"]["choice"] == pytest.approx(0.4)
    assert is_report(files["json"])
    assert is_score_table(files["csv"])
    assert is_page(files["html"])
    assert "data:image/jpeg" in files["html"].read_text()
    assert is_marked_png(files["png"])
    with Image.open(files["png"]) as plot:
        assert plot.size == (720, 440)
    printed = capsys.readouterr().out
    assert "all: 2 pictures, 9 expressions" in printed
    assert "no mask where presence is below 0.350" in printed


def test_the_user_s_threshold_counts(asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_described(tmp_path / "data")
    assert main(["evaluate", "pictures", str(folder), "--part", "all", "--presence-threshold", "0.65"]) == 0
    assert asked[0] == ("mini", InferenceOptions(presence_threshold=0.0))
    assert "no mask where presence is below 0.650" in capsys.readouterr().out


def test_further_expressions_are_scored_too(
    asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, further = write_described(tmp_path / "data"), tmp_path / "further.json"
    further.write_text(json.dumps({"images": {"picture2.png": {"absent": ["the bus"]}}}))
    command = ["evaluate", "pictures", str(folder), "--part", "all", "--expressions", str(further)]
    assert main([*command, "--expressions", "pictures-held-out"]) == 0
    printed = capsys.readouterr().out
    # What comes with the package is about other pictures.
    assert "all: 2 pictures, 10 expressions" in printed
    assert "further" in printed
    assert main([*command, "--expressions", str(tmp_path / "none.json")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_parts(asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_described(tmp_path / "data")
    for part in ("held-out", "training"):
        assert main(["evaluate", "pictures", str(folder), "--part", part]) == 0
    printed = capsys.readouterr().out
    # The hash of its name holds out picture1.png and not picture2.png.
    assert "held-out: 1 pictures, 8 expressions" in printed
    assert "training: 1 pictures, 1 expressions" in printed
    (folder / "alike.json").unlink()
    content = json.loads((folder / "expressions.json").read_text())
    del content["images"]["picture1.png"]
    (folder / "expressions.json").write_text(json.dumps(content))
    assert main(["evaluate", "pictures", str(folder)]) == 2
    message = "has no picture with expressions in the part held-out: choose another --part"
    assert message in capsys.readouterr().err
    (folder / "expressions.json").write_text('{"images": {}}')
    assert main(["evaluate", "pictures", str(folder), "--part", "all"]) == 2
    assert "has no picture with expressions: describe one in expressions.json" in capsys.readouterr().err


def test_mistakes_get_one_line(asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_described(tmp_path / "data")
    (tmp_path / "notes.png").write_text("mine")
    assert main(["evaluate", "pictures", str(tmp_path / "none")]) == 2
    assert main(["evaluate", "pictures", str(folder), "--part", "half"]) == 2
    assert main(["evaluate", "pictures", str(folder), "--part", "all", "--plot", str(tmp_path / "notes.png")]) == 2
    assert asked == []
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "vlp-rvos did not write it" in lines[2]
