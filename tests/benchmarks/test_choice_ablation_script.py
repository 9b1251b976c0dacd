from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from candidate_runs import staged_config, use_seeing_backbone, write_pictures
from scripts import load_benchmark, run_script

from vlp_rvos.training.ablation_table import ablation_table


def test_every_row_is_trained_from_its_own_start_and_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_seeing_backbone(monkeypatch)
    module: Any = load_benchmark("choice_ablation", monkeypatch)
    # The data of the test has names of its own.
    monkeypatch.setattr(module, "STILL", ("described",))
    monkeypatch.setattr(module, "FURTHER", frozenset({"alike"}))
    run, data = tmp_path / "run", write_pictures(tmp_path / "data")
    run.mkdir()
    (run / "config.json").write_text(staged_config(data).to_json())
    names = json.loads((data / "described" / "expressions.json").read_text())["images"]
    further = {"images": {name: {"absent": ["the swan"]} for name in names}}
    (data / "described" / "alike.json").write_text(json.dumps(further))
    options = [run, tmp_path / "data", "--steps", 2, "--seeds", 0, "--rows"]
    _, first = run_script(module, monkeypatch, tmp_path / "out.json", *options, "full", "relations", "videos")
    assert [row["name"] for row in first["rows"]] == ["full", "relations", "videos"]
    numbers = [row["runs"][0]["numbers"] for row in first["rows"]]
    assert all(0 <= found[name] <= 1 for found in numbers for name in ("right", "noticed"))
    assert [line.split(" | ")[0] for line in ablation_table(first).splitlines()[2:]] == [
        f"| {module.ROWS[name].title}" for name in ("full", "relations", "videos")
    ]
    trained: list[str] = []
    prepare = module.RowTraining.prepare

    def noted(self: Any, stop_request: Any) -> bool:
        trained.append(self.row.title)
        done: bool = prepare(self, stop_request)
        pictures = self.samples.pictures
        assert all(origin != "generated" or self.row.generated for p in pictures for _, _, origin in p.expressions)
        further = sum(origin == "alike" for p in pictures for _, _, origin in p.expressions)
        assert (further > 0) == (self.row.spoken and self.row.further)
        blank = [p.descriptors["parts"] for p in pictures if self.row.title == "without parts"]
        assert not any(value.any() for value in blank)
        return done

    monkeypatch.setattr(module.RowTraining, "prepare", noted)
    _, second = run_script(module, monkeypatch, tmp_path / "out.json", *options, *module.ROWS)
    done = [row["name"] for row in first["rows"]]
    assert trained == [row.title for name, row in module.ROWS.items() if name not in done]
    assert second["rows"][:3] == first["rows"]


def test_rows_of_another_length_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module: Any = load_benchmark("choice_ablation", monkeypatch)
    (tmp_path / "out.json").write_text(json.dumps({"steps": 3, "rows": []}))
    with pytest.raises(SystemExit):
        run_script(module, monkeypatch, tmp_path / "out.json", tmp_path, tmp_path, "--steps", 2)
    assert "holds rows of 3 steps" in capsys.readouterr().err
