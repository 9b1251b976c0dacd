from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from circles import CircleSegmenter

from vlp_rvos.web.job_queue import Job
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.visitors import Visitors


def test_each_session_has_a_visitor_and_a_folder_until_it_ends(tmp_path: Path) -> None:
    visitors = Visitors(tmp_path, CircleSegmenter(), Limits())
    one, other = visitors.of("a"), visitors.of("b")
    assert visitors.of("a") is one
    assert one is not other
    assert {one.folder, other.folder} == set(tmp_path.iterdir())
    visitors.leave("a")
    visitors.leave("unknown")
    assert list(tmp_path.iterdir()) == [other.folder]
    visitors.close()
    assert list(tmp_path.iterdir()) == []
    assert len(visitors) == 0


def test_uploads_that_nobody_takes_are_removed(tmp_path: Path) -> None:
    visitors = Visitors(tmp_path, CircleSegmenter(), Limits())
    taken = visitors.of("a").folder
    for name in ("old.part", "old/video.mp4", "new/video.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"video")
    for path in (tmp_path / "old.part", tmp_path / "old", tmp_path / "old" / "video.mp4", tmp_path / "new", taken):
        os.utime(path, (0, 0))
    visitors.remove_abandoned(600)
    assert set(tmp_path.iterdir()) == {taken, tmp_path / "new"}
    visitors.close()


def test_visits_in_which_nothing_is_done_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    visitors = Visitors(tmp_path, CircleSegmenter(), Limits())
    visitors.of("idle")
    busy = visitors.of("busy")
    busy.job = Job(lambda job: None)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 100)
    active = visitors.of("active")
    visitors.end_idle(50)
    assert set(tmp_path.iterdir()) == {busy.folder, active.folder}
    # What comes late makes a visit of its own, which ends as any other.
    late = visitors.of("idle")
    assert late.folder.is_dir()
    busy.job = None
    visitors.close()
    assert list(tmp_path.iterdir()) == []
