from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from frame_results import result
from small_ablation import results, write_ablation
from training_data import write_videos

from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.results import FrameResult
from vlp_rvos.training import ablation
from vlp_rvos.training.ablation import collect_results, run_ablation
from vlp_rvos.training.ablation_config import load_ablation
from vlp_rvos.training.train_config import load_config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_ablation(tmp_path)


def test_the_grounding_probe_runs_if_the_config_asks_for_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(predict: Callable[..., Any], mixture: object, pairs: int, samples: int) -> SimpleNamespace:
        assert (pairs, samples) == (7, 7)
        return SimpleNamespace(pairs={"motion": SimpleNamespace(right=0.75)}, absent_caught=0.5)

    monkeypatch.setattr(ablation, "build_mixture", lambda data, split: (data, split))
    monkeypatch.setattr(ablation, "probe_grounding", measure)
    table = load_ablation(config, ["pairs=7", "train.steps=1"]).select(["full"], [3])
    lines: list[str] = []
    assert run_ablation(table, tmp_path / "out", device="cpu", on_run=lines.append) is None
    assert len(lines) == 1
    assert lines[0].startswith("full model, seed 3 (1 of 1): ")
    numbers = results(tmp_path / "out")["full/seed-3"]["numbers"]
    assert (numbers["right_motion"], numbers["absent_caught"]) == (0.75, 0.5)


@pytest.mark.parametrize(("frames", "scored"), [(2, []), (3, ["duck"])])
def test_held_out_videos_need_a_frame_between_the_first_and_the_last(
    frames: int, scored: list[str], tmp_path: Path
) -> None:
    write_videos(tmp_path / "mine", frames)
    source = Source(kind="videos", folder="mine", images="mine")
    data = MixtureConfig(root=str(tmp_path), sources=(source,), hold_out=("duck",))

    def predict(images: Iterable[Any], expressions: list[str]) -> Iterator[FrameResult]:
        return (result(height=72, width=128) for _ in images)

    assert list(ablation._held_out_scores(data, predict).videos) == scored


def test_the_shipped_ablation_is_valid() -> None:
    whole = load_ablation(Path("mini"))
    base = load_config(Path(whole.base))
    full = ModelConfig.preset("mini").replace(**whole.train["model"]["overrides"])
    for row in whole.rows:
        config = ablation._train_config(whole, row, 1, Path("out"))
        assert (config.seed, config.data.seed, config.data.hold_out) == (1, 1, base.data.hold_out)
        model = ModelConfig.preset("mini").replace(**config.model.overrides)
        assert (model != full) == bool(row.model)
        assert (config.model.backbone_weights is None) == row.aligned
        # All rows have the same number of steps, without a time limit.
        assert (config.steps, config.time_limit_minutes) == (whole.train["steps"], None)
    assert not any("val" in Path(source.folder).parts for source in base.data.sources)


def test_no_results_yet(config: Path, tmp_path: Path) -> None:
    assert collect_results(load_ablation(config), tmp_path / "nothing")["rows"] == []
