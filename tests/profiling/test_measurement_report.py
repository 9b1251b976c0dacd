from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vlp_rvos.profiling.measurement_report import Measurement, measurement_table, write_report


def test_a_report_is_a_table_a_json_file_and_a_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Measurement("fast", 0.5, 1.0), Measurement("slow", 3.0, 1.5, "GiB"), Measurement("free", 2.0)]
    write_report(rows, {"rounds": 3}, tmp_path / "a.json", tmp_path / "a.png")
    assert capsys.readouterr().out.strip() == measurement_table(rows)
    assert "| slow | 3 GiB | 1.5 GiB |" in measurement_table(rows)
    report = json.loads((tmp_path / "a.json").read_text())
    assert report["rounds"] == 3
    assert [Measurement(**row) for row in report["rows"]] == rows
    with Image.open(tmp_path / "a.png") as image:
        assert len(image.getcolors(1 << 20) or ()) > 3


def test_files_are_optional(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report([Measurement("fast", 0.5)], {}, None, None)
    assert "| fast | 0.5 |  |" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
