from __future__ import annotations

from types import SimpleNamespace

import pytest

from vlp_rvos.profiling import timing
from vlp_rvos.profiling.timing import time_alternately


def test_forms_take_turns() -> None:
    order: list[str] = []
    found = time_alternately({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=2)
    assert order == ["a", "b"] * 3
    assert all(seconds >= 0 for seconds in found.values())


def test_the_median_without_the_first_round(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    durations = iter([100.0, 1.0, 5.0, 2.0])

    def run() -> None:
        nonlocal now
        now += next(durations)

    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: now))
    assert time_alternately({"a": run}, rounds=3) == {"a": 2.0}
