from __future__ import annotations

import re
from dataclasses import replace

from vlp_rvos.batch.work_item import WantedExpression, WorkItem

ITEM = WorkItem("dog.mp4", "/videos/dog.mp4", (WantedExpression("0", "the dog"),), start=1.0)


def test_names_follow_from_the_content() -> None:
    same = replace(ITEM)
    assert (same.key, same.digest("s")) == (ITEM.key, ITEM.digest("s"))
    assert replace(ITEM, start=2.0).key != ITEM.key
    other = replace(ITEM, expressions=(WantedExpression("0", "a dog"),))
    assert other.key == ITEM.key
    assert len({ITEM.digest("s"), other.digest("s"), ITEM.digest("t")}) == 3


def test_keys_are_safe_names() -> None:
    for location in ("/a/../..", "s3://b/x y.mp4", "/videos/\u202e\n.mp4", "/", "/v/" + "n" * 300 + ".mp4", "/v/.."):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}", replace(ITEM, location=location).key)
    assert ITEM.key.startswith("dog-")


def test_json_round_trip() -> None:
    assert WorkItem.from_json(ITEM.to_json()) == ITEM
    assert ITEM.describe() == {"video_uri": "dog.mp4", "start": 1.0}
