from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from scripts import load_benchmark, run_script

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.work_item import WorkItem


def test_the_driver_is_timed_with_a_stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load_benchmark("batch", monkeypatch)

    def outcomes(items: Sequence[WorkItem], make: object, _: object) -> Iterator[Outcome]:
        assert make is module.make_stub
        yield from map(module.make_stub(), items)

    monkeypatch.setattr(module, "outcomes", outcomes)
    monkeypatch.setattr(module, "ray_session", lambda _: nullcontext())
    _, result = run_script(module, monkeypatch, tmp_path / "out.json", "--rows", 7)
    assert result["driver"]["items"] == 7
    assert result["driver"]["milliseconds_an_item"] >= 0
