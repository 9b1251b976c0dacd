from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from scripts import load_tool
from stubs import TinyBackbone, tiny_config

from vlp_rvos.models.checkpoint import save_trained
from vlp_rvos.models.vlp_rvos import VLPRVOS

COUNTED = ("docs/performance.md",)


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_tool("report", monkeypatch)


def test_documents_show_the_results(report: ModuleType) -> None:
    pages = [page for page in report.documents() if str(page.relative_to(report.ROOT)) not in COUNTED]
    assert sum("<!-- results:" in page.read_text() for page in pages) >= 4
    assert [page.name for page, _ in report.stale(pages)] == []


@pytest.mark.slow
def test_documents_show_what_is_counted(report: ModuleType) -> None:
    pages = [report.ROOT / page for page in COUNTED]
    assert [page.name for page, _ in report.stale(pages)] == []


@pytest.mark.parametrize("change", ["document", "results"])
def test_a_stale_number_is_found(
    report: ModuleType, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "README.md"
    text = (report.ROOT / "README.md").read_text()
    before = report.result_tables.kinds_now(report.read_results())
    assert before in text
    if change == "document":
        page.write_text(text.replace("all four | ", "all four | 9"))
    else:
        page.write_text(text)
        rows = report.read_results()
        rows[f"davis16-val-{report.result_tables.SHIPPED}"].result["J_mean"] += 0.01
        monkeypatch.setattr(report, "read_results", lambda: rows)
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "documents", lambda: [page])
    monkeypatch.setattr(report.cost_tables, "draw_plots", lambda folder: None)

    def run(action: str) -> int:
        monkeypatch.setattr(sys, "argv", ["report.py", action])
        return report.main()

    assert run("check") == 1
    assert "tables are stale in README.md" in capsys.readouterr().err
    assert run("fill") == 0
    assert run("check") == 0
    assert (page.read_text() == text) == (change == "document")


def test_an_unknown_table_is_named(report: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- results:nothing -->\n<!-- /results -->\n")
    with pytest.raises(report.UserError, match="there is no table nothing"):
        list(report.stale([page]))


def test_a_score_file_is_kept_without_its_curves(report: ModuleType, tmp_path: Path) -> None:
    expression = {"expression": "a dog", "J": [0.5, 0.7], "F": [0.4, 0.6], "J_mean": 0.6}
    scores = {"dataset": "/data/val", "model": "/runs/best.safetensors", "videos": {"a": {"0": expression}}, "J&F": 0.5}
    file = tmp_path / "scores.json"
    file.write_text(json.dumps(scores))
    assert report.read_values(file, "segmentation") == {
        "dataset": "val",
        "model": "best",
        "videos": {"a": {"0": {"expression": "a dog", "J_mean": 0.6}}},
        "J&F": 0.5,
    }


def test_a_training_is_kept_by_the_header_of_its_model(
    report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = []
    monkeypatch.setattr(report, "put_result", put.append)
    save_trained(tmp_path / "model.safetensors", VLPRVOS(TinyBackbone(), tiny_config()), {"steps": 3})
    options = ["--kind", "training", "--title", "run 12", "--command", "vlp-rvos train mini"]
    monkeypatch.setattr(sys, "argv", ["report.py", "add", "run-12", str(tmp_path / "model.safetensors"), *options])
    assert report.main() == 0
    assert put == [report.Result("run-12", "training", "run 12", None, "vlp-rvos train mini", {"steps": 3})]
