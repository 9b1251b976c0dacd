"""From training to submission on miniatures of all six data sets, with the shipped recipes and a tiny model."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from all_miniatures import TINY, all_benchmarks
from stubs import TinyBackbone
from training_runs import use_backbone

from vlp_rvos.cli.app import main
from vlp_rvos.models.checkpoint import peek

SETTINGS = {
    "model.overrides": json.dumps(TINY),
    "data.clip_length": 2,
    "precision": "fp32",
    "steps": 2,
    "workers": 0,
    "val_samples": 1,
    # One of the two training videos of the miniature of Ref-YouTube-VOS.
    "data.hold_out_share": 0.1,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return all_benchmarks(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def tiny_backbone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_backbone(monkeypatch, TinyBackbone)
    # The recipes look for the pretrained model in `runs/`, below the working directory.
    monkeypatch.chdir(tmp_path)


def train(preset: str, data: Path, **settings: object) -> Path:
    changes = SETTINGS | {"data.root": data} | settings
    arguments = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    assert main(["train", preset, "--device", "cpu", *arguments]) == 0
    model = Path("runs") / preset / "model.safetensors"
    assert peek(model).training["steps"] == 2
    return model


def evaluate(name: str, folder: Path, model: Path, *options: str) -> dict[str, float]:
    scores = Path(f"{name}.json")
    arguments = ["--model", str(model), "--device", "cpu", "--workers", "1", "--json", str(scores), *options]
    assert main(["evaluate", name, str(folder), *arguments]) == 0
    metrics: dict[str, float] = json.loads(scores.read_text())["metrics"]
    return metrics


def test_ref_youtube_vos_and_ref_davis17(data: Path) -> None:
    """Protocols (a), (b) and (c)."""
    train("ref-youtube-vos", data)
    pretrained = train("refcoco", data)
    assert 0 <= evaluate("refcoco", data / "refcoco", pretrained)["overall_iou"] <= 1
    model = train("ref-youtube-vos-finetune", data)
    assert peek(model).training["config"]["init_from"] == "model.safetensors"
    folder = data / "ref-youtube-vos"
    evaluate("ref-youtube-vos", folder, model, "-o", "masks")
    assert main(["submit", "ref-youtube-vos", "masks", "-o", "submission.zip", "--data", str(folder)]) == 0
    with zipfile.ZipFile("submission.zip") as archive:
        # Two videos, two expressions, four frames.
        assert len(archive.namelist()) == 16
    assert 0 <= evaluate("ref-davis17", data / "ref-davis17", model)["J&F"] <= 1


def test_mevis(data: Path) -> None:
    """Protocol (d)."""
    model = train("mevis", data)
    assert 0 <= evaluate("mevis", data / "mevis", model)["J&F"] <= 1
    evaluate("mevis", data / "mevis", model, "--split", "valid", "-o", "masks")
    assert main(["submit", "mevis", "masks", "-o", "submission.zip", "--data", str(data / "mevis")]) == 0


def test_a2d_and_jhmdb_sentences(data: Path) -> None:
    """Protocol (e)."""
    train("refcoco", data)
    model = train("a2d-sentences", data, **{"val_samples": 0, "data.hold_out_share": 0})
    for name in ("a2d-sentences", "jhmdb-sentences"):
        metrics = evaluate(name, data / name, model)
        assert {"mAP@0.5:0.95", "overall_iou", "mean_iou"} <= metrics.keys()


def test_a_missing_pretrained_model(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = [f"--set={key}={value}" for key, value in (SETTINGS | {"data.root": data}).items()]
    assert main(["train", "ref-youtube-vos-finetune", "--device", "cpu", *changes]) == 2
    assert "runs/refcoco/model.safetensors: no such model file" in capsys.readouterr().err
