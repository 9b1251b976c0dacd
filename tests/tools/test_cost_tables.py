from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from scripts import load_tool

from vlp_rvos.profiling.costs import Cost


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_tool("cost_tables", monkeypatch)
    monkeypatch.setattr(module, "MODELS", ("small",))
    monkeypatch.setattr(
        module, "clip_cost", lambda name, frames=6, size=None, expressions=1: Cost(12 * 10**9 * expressions, 6 * 10**9)
    )
    return module


def test_a_sweep_counts_frame_by_frame(tables: ModuleType, tmp_path: Path) -> None:
    table = tables.LENGTHS.table({})
    assert "| 1 | 12.00 | 6000 |" in table
    assert "| 6 | 2.00 | 1000 |" in table
    assert "| 2 | 4.00 | 1000 |" in tables.EXPRESSIONS.table({})
    tables.draw_plots(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip-length.png", "expressions.png", "resolution.png"]


def test_estimates_follow_from_the_slower_of_arithmetic_and_memory(tables: ModuleType) -> None:
    # 3 GB in bf16 at 2.039 TB/s take longer than 12 GFLOPs at 312 TFLOP/s; 30 % of the peak, 6 frames.
    frames_per_second = 0.3 * 6 * 2.039e12 / 3e9
    assert f"| small | A100 SXM 80 GB | memory | {frames_per_second:.0f} |" in tables.scale({})


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "0.25 s"), (90, "1.5 min"), (7200, "2 h"), (86400 * 150, "150 d")]
)
def test_durations(tables: ModuleType, seconds: float, text: str) -> None:
    assert tables._duration(seconds) == text
