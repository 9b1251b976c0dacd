"""The shipped model `mini` on miniatures of all six data sets, from training to submission, by commands alone."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from all_miniatures import all_benchmarks
from PIL import Image

from vlp_rvos.cli.app import main
from vlp_rvos.models.checkpoint import peek

pytestmark = pytest.mark.slow

SETTINGS = {
    "model.preset": "mini",
    "data.keep_aspect": True,
    "data.height": 64,
    "data.width": 64,
    "data.clip_length": 2,
    "batch": 1,
    "steps": 2,
    "workers": 0,
    "precision": "fp32",
    "val_samples": 0,
    "data.hold_out_share": 0,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return all_benchmarks(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def train(preset: str, data: Path, **settings: object) -> Path:
    changes = {**SETTINGS, "data.root": data, **settings}
    run("train", preset, "--device", "cpu", *(f"--set={key}={value}" for key, value in changes.items()))
    model = Path("runs") / preset / "model.safetensors"
    assert peek(model).training["steps"] == SETTINGS["steps"]
    return model


def evaluate(name: str, data: Path, *options: object) -> dict[str, float]:
    """The numbers of a benchmark; the same run writes an HTML page, and a table with as many rows as the score file."""
    folder = data / ("refcoco" if name.startswith("refcoco") else name)
    files = [Path(f"{name}.{suffix}") for suffix in ("json", "csv", "html")]
    named = [word for file in files for word in (f"--{file.suffix[1:]}", file)]
    run("evaluate", name, folder, "--device", "cpu", "--workers", 1, *named, *options)
    report = json.loads(files[0].read_text())
    rows = list(csv.DictReader(files[1].read_text().splitlines()))
    assert len(rows) == sum(map(len, report["videos"].values()))
    assert f"<title>{name}" in files[2].read_text()
    metrics: dict[str, float] = report["metrics"]
    assert all(value is None or 0 <= value <= 1 for key, value in metrics.items() if "decay" not in key)
    return metrics


def submit(name: str, masks: str, data: Path) -> list[str]:
    run("submit", name, masks, "-o", "submission.zip", "--data", data / name)
    with zipfile.ZipFile("submission.zip") as archive:
        for file in archive.namelist():
            with archive.open(file) as content, Image.open(content) as mask:
                assert set(np.unique(np.asarray(mask))) <= {0, 255}
        return archive.namelist()


def test_pretraining_and_ref_youtube_vos_and_ref_davis17(data: Path) -> None:
    """Protocols (b) and (c): the shipped model, pictures as pseudo clips, then videos."""
    pretrained = train("refcoco", data, init_from="mini")
    for name in ("refcoco", "refcoco+", "refcocog"):
        assert {"overall_iou", "mean_iou", "P@0.5"} <= evaluate(name, data, "--model", pretrained, "--size", 64).keys()
    model = train("ref-youtube-vos-finetune", data)
    assert peek(model).training["config"]["init_from"] == "model.safetensors"
    run("evaluate", "ref-youtube-vos", data / "ref-youtube-vos", "--model", model, "--size", 64, "-o", "masks")
    names = submit("ref-youtube-vos", "masks", data)
    assert len(names) == 2 * 2 * 4
    assert all(name.startswith("Annotations/") for name in names)
    predicted = evaluate("ref-davis17", data, "--model", model, "--size", 64, "-o", "davis")
    # The written masks have the same scores.
    assert evaluate("ref-davis17", data, "--pred", "davis") == pytest.approx(predicted)


def test_mevis(data: Path) -> None:
    """Protocol (d), with expressions of several objects and of nothing."""
    model = train("mevis", data, init_from="mini")
    predicted = evaluate("mevis", data, "--model", model, "--size", 64, "-o", "masks")
    assert None not in (predicted["J&F"], predicted["N_acc"], predicted["T_acc"])
    assert evaluate("mevis", data, "--pred", "masks") == pytest.approx(predicted)
    run("evaluate", "mevis", data / "mevis", "--split", "valid", "--model", model, "--size", 64, "-o", "valid")
    assert len(submit("mevis", "valid", data)) == 3 * 4


def test_a2d_and_jhmdb_sentences(data: Path) -> None:
    """Protocol (e), whose files of masks are scored alike by `evaluate rle`."""
    model = train("a2d-sentences", data, init_from="mini")
    for name in ("a2d-sentences", "jhmdb-sentences"):
        metrics = evaluate(name, data, "--model", model, "--size", 64, "-o", name)
        assert {"mAP@0.5:0.95", "overall_iou", "mean_iou"} <= metrics.keys()
        run("evaluate", "rle", Path(name, "ground_truth.json"), Path(name, "predictions.json"), "--json", "rle.json")
        assert json.loads(Path("rle.json").read_text()) == metrics


def test_the_shipped_model_itself(data: Path) -> None:
    """The shipped model is found by its name and predicts better than nothing."""
    scores = evaluate("mevis", data, "--model", "mini", "--size", 96)
    assert scores["J&F"] > 0
