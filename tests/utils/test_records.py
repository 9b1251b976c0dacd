from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.records import record_from


@dataclass(frozen=True)
class Inner:
    size: tuple[int, int]
    kind: Literal["a", "b"] = "a"

    def __post_init__(self) -> None:
        if min(self.size) < 0:
            raise ValueError("size must not be negative")


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner | None = None
    rate: float = 0.1
    root: Path = Path()
    points: tuple[float, ...] = ()
    parts: list[Inner] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    free: dict[str, Any] = field(default_factory=dict)
    either: str | list[str] = ""


def test_builds_all_the_way_down() -> None:
    values = {
        "name": "x",
        "inner": {"size": [1, 2], "kind": "b"},
        "rate": 1,
        "root": "some/folder",
        "points": [1, 0.5],
        "parts": [{"size": [3, 4]}],
        "weights": {"a": 1},
        "free": {"anything": [None]},
        "either": ["a", "b"],
    }
    assert record_from(Outer, values, "file") == Outer(
        "x",
        Inner((1, 2), "b"),
        1.0,
        Path("some/folder"),
        (1.0, 0.5),
        [Inner((3, 4))],
        {"a": 1.0},
        {"anything": [None]},
        ["a", "b"],
    )


def test_none_where_allowed() -> None:
    assert record_from(Outer, {"name": "x", "inner": None}, "file").inner is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "key 'name' is missing"),
        ({"name": None}, "key 'name' must be text, not None"),
        ({"name": "x", "nam": 1}, "unknown key 'nam'; known here: name, inner"),
        ({"name": "x", "inner": {"size": [1]}}, "key 'inner.size' must be a list of 2 values"),
        ({"name": "x", "inner": {"size": [1, "b"]}}, r"key 'inner.size\[1\]' must be a whole number, not 'b'"),
        ({"name": "x", "inner": {"size": [1, 2], "kind": "c"}}, "key 'inner.kind' must be one of a, b"),
        ({"name": "x", "inner": {"size": [-1, 2]}}, "inner: size must not be negative"),
        ({"name": "x", "points": "1"}, "key 'points' must be a list"),
        ({"name": "x", "rate": False}, "key 'rate' must be a number"),
        ({"name": "x", "rate": "5e-5"}, "key 'rate' must be a number, not '5e-5'"),
        ({"name": "x", "weights": {"a": "much"}}, "key 'weights.a' must be a number"),
        ({"name": "x", "weights": 1}, "key 'weights' must be a mapping"),
        ({"name": "x", "root": 1}, "key 'root' must be a path"),
        ({"name": "x", "either": 1}, "key 'either' must be text"),
        ([], "the top level must be a mapping"),
    ],
)
def test_mistakes_name_the_key(values: object, message: str) -> None:
    with pytest.raises(UserError, match=f"^file: {message}"):
        record_from(Outer, values, "file")


def test_values_in_messages_are_short() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    for values in ({"name": deep}, {"name": ["x" * 50_000]}, {"y" * 50_000: 1}, deep):
        with pytest.raises(UserError) as caught:
            record_from(Outer, values, "file")
        assert len(str(caught.value)) < 500


def test_a_number_beyond_all_floats_is_infinite() -> None:
    assert record_from(Outer, {"name": "x", "rate": 10**400}, "file").rate == math.inf
    assert record_from(Outer, {"name": "x", "rate": -(10**400)}, "file").rate == -math.inf
