from __future__ import annotations

from types import SimpleNamespace

import pytest

from vlp_rvos.training import running_means
from vlp_rvos.training.running_means import RunningMeans


def test_means_are_over_what_was_added_since_the_last_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 10.0
    monkeypatch.setattr(running_means, "time", SimpleNamespace(monotonic=lambda: now))
    means = RunningMeans()
    means.add({"loss": 1.0, "iou": 0.5})
    means.add({"loss": 3.0})
    means.samples += 8
    assert means.means("loss", "dice") == {"loss": 2.0}
    now = 14.0
    assert means.take(100.0) == {"loss": 2.0, "iou": 0.5, "samples_per_second": 2.0, "seconds": 100.0}
    means.add({"loss": 7.0})
    now = 15.0
    assert means.take(101.0) == {"loss": 7.0, "samples_per_second": 0.0, "seconds": 101.0}
