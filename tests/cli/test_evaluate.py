"""The commands `vlp-rvos evaluate masks`, `run`, `compare`, and those named after a benchmark."""

from __future__ import annotations

import json
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import image_miniatures as images
import pytest
import video_miniatures as miniatures
from html_page import EVIL, Page, evil_dataset
from referring import InMemoryDataset, Oracle, shifted
from squares import SquareFinder, box, save_mask, write_mask_folders, write_object_folders, write_two_videos

from vlp_rvos.cli import evaluate
from vlp_rvos.cli.app import main
from vlp_rvos.cli.score_files import ScoreFiles
from vlp_rvos.data.benchmarks import open_benchmark
from vlp_rvos.data.sources.holdout import Part
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.mask_folders import score_mask_folders
from vlp_rvos.evaluation.protocols import PROTOCOLS, Measure
from vlp_rvos.evaluation.runner import evaluate_dataset
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return write_mask_folders(tmp_path)


@pytest.fixture
def objects(tmp_path: Path) -> tuple[Path, Path]:
    return write_object_folders(tmp_path)


def test_the_masks_command_with_objects(
    objects: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ScoreFiles(csv=tmp_path / "scores.csv", html=tmp_path / "scores.html")
    evaluate.masks(*objects, skip_ends=True, files=files, objects=True)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines if line[:1] == ["two"]] == [["two", "1"], ["two", "2"], ["two", "all"]]
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 1 + 3
    assert "object 2" in (tmp_path / "scores.html").read_text()


def test_the_masks_command(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "scores.json"
    evaluate.masks(*folders, skip_ends=False, files=ScoreFiles(json=file))
    assert json.loads(file.read_text()) == score_mask_folders(*folders).to_json()
    assert [path.name for path in file.parent.iterdir()] == ["scores.json"]
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("dog", "cat", "mean", "J&F"))


def test_the_masks_command_writes_nothing_when_it_fails(folders: tuple[Path, Path], tmp_path: Path) -> None:
    save_mask(folders[0] / "dog" / "00001.png", box(5, 5)[:-1])
    file = tmp_path / "scores.json"
    file.write_text("old")
    with pytest.raises(UserError):
        evaluate.masks(*folders, skip_ends=False, files=ScoreFiles(json=file))
    assert file.read_text() == "old"


def test_the_run_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_two_videos(tmp_path / "data")
    loaded: list[Any] = []

    def from_pretrained(*given: Any) -> types.SimpleNamespace:
        loaded.append(given)
        return types.SimpleNamespace(segment=SquareFinder())

    fake = types.SimpleNamespace(Segmenter=types.SimpleNamespace(from_pretrained=from_pretrained))
    monkeypatch.setitem(sys.modules, "vlp_rvos.inference.segmenter", fake)
    options = InferenceOptions(device="cpu", size=64, memory_frames=0)
    evaluate.run(
        dataset.folder,
        output=tmp_path / "out",
        files=ScoreFiles(tmp_path / "scores.json", tmp_path / "scores.csv", tmp_path / "scores.html"),
        model="mini",
        options=options,
    )
    assert loaded == [("mini", options)]
    report = json.loads((tmp_path / "scores.json").read_text())
    assert (report["model"], report["dataset"]) == ("mini", str(dataset.folder))
    assert report["J_mean"] == pytest.approx(4 / 6)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 1 + 6
    assert "data:image/jpeg;base64," in (tmp_path / "scores.html").read_text()
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("description", "two", "all", "frames per second"))


@pytest.mark.parametrize("part", ["held-out", "training"])
def test_the_run_command_scores_one_part_of_the_videos(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = write_two_videos(tmp_path / "data")
    fake = types.SimpleNamespace(from_pretrained=lambda *given: types.SimpleNamespace(segment=SquareFinder()))
    module = types.SimpleNamespace(Segmenter=fake)
    monkeypatch.setitem(sys.modules, "vlp_rvos.inference.segmenter", module)
    files = ScoreFiles(tmp_path / "scores.json")
    evaluate.run(dataset.folder, part=part, files=files, options=InferenceOptions())
    # By the hashes of their names, one of the two videos is held out.
    expected = {"held-out": ["four"], "training": ["two"]}
    assert list(json.loads((tmp_path / "scores.json").read_text())["videos"]) == expected[part]


def test_a_data_set_without_videos_has_no_other_part_to_choose(tmp_path: Path) -> None:
    dataset = write_two_videos(tmp_path / "data")
    (dataset.folder / "meta_expressions.json").write_text('{"videos": {}}')
    with pytest.raises(UserError, match=r"has no video: meta_expressions\.json lists none"):
        evaluate.run(dataset.folder, files=ScoreFiles(), options=InferenceOptions())


MINIATURES: dict[str, Callable[[Path], Path]] = {
    "ref-youtube-vos": miniatures.write_ref_youtube_vos,
    "ref-davis17": miniatures.write_ref_davis17,
    "mevis": miniatures.write_mevis,
    "a2d-sentences": images.write_a2d,
    "jhmdb-sentences": images.write_jhmdb,
    "refcoco": images.write_refcoco,
}


def evaluate_known(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, split: str, *options: object) -> int:
    dataset = open_benchmark(name, folder, split)
    model = types.SimpleNamespace(segment=Oracle(dataset))
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_: model)
    return main(["evaluate", name, str(folder), "--split", split, *map(str, options)])


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("ref-youtube-vos", "train", {"J&F": 1, "J_recall": 1, "J_decay": 0, "T_acc": 1}),
        ("ref-davis17", "val", {"J&F": 1, "J&F_without_assignment": 1}),
        ("mevis", "valid_u", {"J&F": 1, "N_acc": 1, "T_acc": 1}),
        ("a2d-sentences", "test", {"mAP@0.5:0.95": 1, "P@0.9": 1, "overall_iou": 1, "mean_iou": 1}),
        ("jhmdb-sentences", "test", {"mAP@0.5:0.95": 1, "AP@0.5": 1, "mean_iou": 1}),
        ("refcoco", "val", {"overall_iou": 1, "mean_iou": 1, "P@0.5": 1}),
    ],
)
def test_who_knows_the_truth_scores_full(
    name: str,
    split: str,
    expected: dict[str, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = MINIATURES[name](tmp_path / "data")
    out, files = tmp_path / "out", [tmp_path / f"scores.{kind}" for kind in ("json", "csv", "html")]
    options = ["-o", out, "--json", files[0], "--csv", files[1], "--html", files[2]]
    assert evaluate_known(monkeypatch, name, folder, split, *options) == 0, capsys.readouterr().err
    report = json.loads(files[0].read_text())
    assert (report["benchmark"], report["split"]) == (name, split)
    assert {key: report["metrics"][key] for key in expected} == pytest.approx(expected)
    assert ("mAP@0.5:0.95" in report["metrics"]) == (PROTOCOLS[name].measure is Measure.precision)
    dataset = open_benchmark(name, folder, split)
    rows = sum(len(video.expressions) for video in dataset.videos)
    assert len(files[1].read_text().splitlines()) == 1 + rows
    assert "data:image/jpeg" in files[2].read_text()
    assert next(iter(expected)) in capsys.readouterr().out
    if PROTOCOLS[name].scores_images:
        coco = [str(out / file) for file in ("ground_truth.json", "predictions.json")]
        assert main(["evaluate", "rle", *coco, "--json", str(tmp_path / "rle.json")]) == 0
        again = json.loads((tmp_path / "rle.json").read_text())
        assert report["metrics"].items() <= again.items()
    if PROTOCOLS[name].measure is not Measure.precision:
        assert main(["evaluate", name, str(folder), "--split", split, "--pred", str(out), "--json", str(files[0])]) == 0
        assert json.loads(files[0].read_text())["metrics"] == report["metrics"]
    else:
        assert main(["evaluate", name, str(folder), "--pred", str(out)]) == 2
        assert "use vlp-rvos evaluate rle" in capsys.readouterr().err


def test_a_split_without_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = miniatures.write_mevis(tmp_path / "data")
    assert evaluate_known(monkeypatch, "mevis", folder, "valid") == 2
    assert "nothing can be scored" in capsys.readouterr().err
    options = ["-o", tmp_path / "out", "--json", tmp_path / "s.json"]
    assert evaluate_known(monkeypatch, "mevis", folder, "valid", *options) == 0
    assert "not scored" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text())["metrics"]["J&F"] is None
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3 * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mevis", "DATA", "--pred", "X", "-o", "Y"], "leave out --output"),
        (["mevis", "DATA", "--split", "test"], "mevis has no split 'test'"),
        (["mevis", "NOWHERE"], "NOWHERE"),
        (["mevis", "DATA", "--set", "attention"], "write key=value"),
        (["nobody", "DATA"], "nobody"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = miniatures.write_mevis(tmp_path / "data")
    arguments = [str(folder) if argument == "DATA" else argument for argument in arguments]
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_mask_that_goes_missing_is_found_before_anything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = miniatures.write_mevis(tmp_path / "data")
    assert evaluate_known(monkeypatch, "mevis", folder, "valid_u", "-o", tmp_path / "out") == 0
    shutil.rmtree(tmp_path / "out" / "9f429af409c9" / "1")
    capsys.readouterr()
    assert main(["evaluate", "mevis", str(folder), "--pred", str(tmp_path / "out")]) == 2
    assert "4 of 12 masks are missing" in capsys.readouterr().err


@pytest.fixture
def dataset() -> InMemoryDataset:
    return evil_dataset()


@pytest.fixture
def report(dataset: InMemoryDataset) -> dict[str, Any]:
    return evaluate_dataset(dataset, Oracle(dataset, shifted)).to_json(EVIL, EVIL)


def test_the_compare_command(
    report: dict[str, Any], dataset: InMemoryDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    better = evaluate_dataset(dataset, Oracle(dataset)).to_json("d", "m")
    for name, content in (("a", report), ("b", better)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = [str(tmp_path / name) for name in ("a.json", "b.json", "page.html")]
    assert main(["evaluate", "compare", files[0], files[1], "--html", files[2]]) == 0
    Page((tmp_path / "page.html").read_text())
    printed = capsys.readouterr().out
    assert f"{better['J&F'] - report['J&F']:+.3f}" in printed
    assert "several objects" in printed


def test_runs_with_nothing_in_common(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(report))
    (tmp_path / "b.json").write_text(json.dumps({"videos": {}}))
    assert main(["evaluate", "compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "no scored expression in common" in capsys.readouterr().err
