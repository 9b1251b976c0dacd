"""JSON files with lists that grow at the same time."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from vlp_rvos.formats.spooled_json import BUFFER, JsonList, write_json_object


def test_lists_at_any_depth_take_their_places(tmp_path: Path) -> None:
    first, second, empty = (JsonList(tmp_path / name) for name in ("first", "second", "empty"))
    for i in range(3):
        first.append({"i": i})
        second.append(None)
    file = io.StringIO()
    content = {"a": [{"x": first}, 1, {}], 'b "': {"y": second, "z": {}}, "c": empty, "d": "\n"}
    write_json_object(file, content)
    assert json.loads(file.getvalue()) == {
        "a": [{"x": [{"i": 0}, {"i": 1}, {"i": 2}]}, 1, {}],
        'b "': {"y": [None] * 3, "z": {}},
        "c": [],
        "d": "\n",
    }
    assert list(tmp_path.iterdir()) == []


def test_a_long_list_waits_on_the_disk(tmp_path: Path) -> None:
    items = [f"{i} é\n" for i in range(BUFFER // 4)]
    spooled, file = JsonList(tmp_path / "a"), io.StringIO()
    for item in items:
        spooled.append(item)
        assert sum(map(len, spooled._buffer)) <= 2 * BUFFER
    assert (tmp_path / "a").stat().st_size > BUFFER
    assert len(spooled) == len(items)
    spooled.move_into(file)
    assert json.loads(file.getvalue()) == items
    assert not (tmp_path / "a").exists()


def test_items_are_kept_as_they_were(tmp_path: Path) -> None:
    spooled, file, item = JsonList(tmp_path / "a"), io.StringIO(), [1]
    spooled.append(item)
    item.append(2)
    spooled.move_into(file)
    assert json.loads(file.getvalue()) == [[1]]


def test_what_is_no_json_is_refused_at_once(tmp_path: Path) -> None:
    spooled = JsonList(tmp_path / "a")
    with pytest.raises((TypeError, ValueError)):
        spooled.append({1, 2})
    assert len(spooled) == 0
