"""What the web process and the workers hand to each other."""

from __future__ import annotations

import pickle

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.serving.tasks import LiveTask, Notice, Request, VideoTask, checked_output


@pytest.mark.parametrize("output", ["ndjson", "overlay", "zip"])
def test_outputs(output: str) -> None:
    assert checked_output(output) == output


@pytest.mark.parametrize("output", ["", "ZIP", "zip ", "mp4"])
def test_another_output(output: str) -> None:
    with pytest.raises(UserError, match="output must be one of ndjson, overlay, zip"):
        checked_output(output)


def test_records_survive_the_way_to_another_process() -> None:
    request = Request("a", "/folder", ("a dog",), "zip", 12.5)
    for record in (
        VideoTask((request,), "/video", "dog.mp4", 2, 0.5, None),
        LiveTask((request,), 25.0, 8),
        Notice("a", "written", size=7, lines=("{}",)),
    ):
        assert pickle.loads(pickle.dumps(record)) == record
