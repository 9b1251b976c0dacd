from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.web.things import Things


def test_points_belong_to_the_current_thing() -> None:
    things = Things()
    things.add(1, 2, 0.5, True)
    things.add(3, 4, 0.5, False)
    things.begin()
    things.add(5, 6, 0.0, True)
    assert things.names == ["thing 1", "thing 2"]
    assert [(point.name, point.include) for point in things.points] == [
        ("thing 1", True),
        ("thing 1", False),
        ("thing 2", True),
    ]
    things.choose("thing 1")
    assert things.add(7, 8, 1.0, True).name == "thing 1"
    things.choose("unknown")
    assert things.current == "thing 1"


def test_undo_and_clear() -> None:
    things = Things()
    things.undo()
    things.add(1, 2, 0, True)
    things.begin()
    things.add(3, 4, 0, True)
    things.undo()
    assert things.names == ["thing 1"]
    assert things.choices == ["thing 1", "thing 2"]
    things.clear()
    assert things.points == []
    assert things.choices == ["thing 1"]


def test_a_new_thing_without_points_is_begun_once() -> None:
    things = Things()
    things.begin()
    assert things.current == "thing 1"


def test_nothing_is_taken_away_from_nothing() -> None:
    things = Things()
    with pytest.raises(UserError, match="add the thing first"):
        things.add(1, 2, 0, False)
    things.add(1, 2, 1.0, True)
    with pytest.raises(UserError, match="here or before"):
        things.add(1, 2, 0.5, False)
