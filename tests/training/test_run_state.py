from __future__ import annotations

from types import SimpleNamespace

import pytest

from vlp_rvos.training import run_state
from vlp_rvos.training.run_state import Clock


def test_the_clock_counts_earlier_parts_and_the_time_since_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(run_state, "time", SimpleNamespace(monotonic=lambda: now))
    clock = Clock(elapsed=60.0)
    now = 1005.0
    assert (clock.elapsed(), clock.since_saved()) == (65.0, 5.0)
    clock.mark_saved()
    now = 1007.0
    assert (clock.elapsed(), clock.since_saved()) == (67.0, 2.0)
