from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.batch_settings import BatchSettings
from vlp_rvos.batch.item_runner import commit_name
from vlp_rvos.batch.restart import earlier_items, settle
from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import WantedExpression, WorkItem
from vlp_rvos.errors import UserError

SETTINGS = BatchSettings()
DONE, LEFT = (WorkItem(f"{i}.mp4", f"/{i}.mp4", (WantedExpression("0", "x"),)) for i in range(2))


@pytest.fixture
def output(tmp_path: Path) -> Storage:
    storage = Storage(str(tmp_path))
    outcome = Outcome(key=DONE.key, status="done", frames=4, parts=1)
    storage.put(commit_name(DONE.key, DONE.digest(SETTINGS.digest())), outcome.to_json().encode())
    return storage


def test_committed_items_are_found(output: Storage) -> None:
    assert earlier_items(output, [LEFT, DONE], SETTINGS) == [DONE.key]
    assert earlier_items(output, [], SETTINGS) == []


def test_other_expressions_are_refused(output: Storage) -> None:
    other = replace(DONE, expressions=(WantedExpression("0", "y"),))
    with pytest.raises(UserError, match=r"results of 0.mp4 with other expressions"):
        earlier_items(output, [other], SETTINGS)


def test_lost_outcomes_are_settled_by_what_was_committed(output: Storage) -> None:
    done, failed = settle(output, [DONE, LEFT], SETTINGS)
    assert (done.status, done.frames) == ("done", 4)
    assert (failed.key, failed.status) == (LEFT.key, "failed")
    assert "lost" in failed.causes[0]
