from __future__ import annotations

import json
from pathlib import Path

from vlp_rvos.batch.batch_report import BatchReport, Outcome
from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import WantedExpression, WorkItem

ITEMS = {x.key: x for x in (WorkItem(f"{i}.mp4", f"/{i}.mp4", (WantedExpression("0", "x"),)) for i in range(5))}
KEYS = list(ITEMS)


def test_the_report_counts_each_item_once(tmp_path: Path) -> None:
    report = BatchReport(ITEMS, KEYS[:1], workers=2)
    report.add(Outcome(key=KEYS[1], status="done", frames=7, parts=2))
    report.add(Outcome(key=KEYS[1], status="done", frames=7, parts=2))
    report.add(Outcome(key=KEYS[2], status="done", frames=3, parts=1, problem="cut", causes=("first",)))
    report.add(Outcome(key=KEYS[3], status="failed", causes=("first", "last")))
    assert (report.done, report.failed, report.missing()) == (2, 1, KEYS[4:])
    report.write(Storage(str(tmp_path)))
    content = json.loads((tmp_path / "report.json").read_text())
    counts = {name: content[name] for name in ("items", "done_before", "done", "failed", "not_done", "frames", "parts")}
    assert counts == {
        "items": 5, "done_before": 1, "done": 2, "failed": 1, "not_done": 1, "frames": 10, "parts": 3,
    }  # fmt: skip
    (failure,), (note,) = content["failures"], content["notes"]
    assert failure == {"video_uri": "3.mp4", "key": KEYS[3], "cause": "last", "earlier_causes": ["first"]}
    assert (note["problem"], note["retried_after"]) == ("cut", ["first"])
    line = report.describe()
    assert line.startswith("2 of 5 videos done, 10 frames in ")
    assert line.endswith("; 1 were done before; 1 failed; 1 left")


def test_json_round_trip() -> None:
    outcome = Outcome(key="k", status="failed", causes=("a", "b"), seconds=1.5)
    assert Outcome.from_json(outcome.to_json()) == outcome
