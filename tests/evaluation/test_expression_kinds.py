"""Kinds of expressions."""

from __future__ import annotations

from typing import Any

import pytest

from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression, ReferringVideo
from vlp_rvos.data.sources.ytvos import Expression, VideoEntry
from vlp_rvos.evaluation.expression_kinds import expression_kinds, target_kinds


def video(*expressions: tuple[str, int | None, str | None]) -> VideoEntry:
    return VideoEntry("v", ["0"], [Expression(key, "x", object_id, kind) for key, object_id, kind in expressions])


@pytest.mark.parametrize(
    ("entries", "kinds", "expected"),
    [
        ([(key, 1, None) for key in "0123"], None, ["noun", "appearance", "motion", "description"]),
        ([(key, 1, None) for key in "3210"], None, ["description", "motion", "appearance", "noun"]),
        ([(key, 1, None) for key in "012"], None, [None] * 3),
        ([(key, 1, None) for key in "1234"], None, [None] * 4),
        ([("0", 1, None), ("1", 1, None), ("2", 2, None), ("3", 2, None)], None, [None] * 4),
        ([("0", 1, None), ("1", 2, None)], ["left", "right"], ["left", "right"]),
        ([("0", 1, "own"), ("1", 2, None)], None, ["own", None]),
        (
            [(key, 1, "own" if key == "2" else None) for key in "0123"],
            None,
            ["noun", "appearance", "own", "description"],
        ),
    ],
)
def test_kinds(entries: list[Any], kinds: list[str] | None, expected: list[str | None]) -> None:
    assert expression_kinds(video(*entries), kinds) == expected


def test_kinds_by_target() -> None:
    expressions = [ReferringExpression(str(i), "x", ids) for i, ids in enumerate([(1,), (1, 2), (), None])]
    expressions.append(ReferringExpression("4", "x", (1,), "2_full_video"))
    kinds = target_kinds(ReferringVideo("v", ["0"], expressions))
    assert kinds == ["one object", "several objects", "no target", None, "2_full_video"]
