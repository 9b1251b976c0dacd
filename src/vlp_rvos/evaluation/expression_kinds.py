"""Kinds of expressions, by which scores are grouped.

[D] marks our own decisions; `docs/method.md` explains the marks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vlp_rvos.data.benchmarks.referring_dataset import ReferringVideo
from vlp_rvos.data.sources.ytvos import VideoEntry

__all__ = ["DEFAULT_KINDS", "KindsOf", "expression_kinds", "target_kinds"]

DEFAULT_KINDS = ("noun", "appearance", "motion", "description")
"""Kinds of the expressions "0" to "3" of a video that describes one object in four ways."""

KindsOf = Callable[[ReferringVideo], Sequence[str | None]]
"""A function from a video to the kind of each of its expressions; None where the kind is not known."""


def target_kinds(video: ReferringVideo) -> list[str | None]:
    """Kinds that any data set has: the annotator if there are several, else the number of objects referred to. [D]"""
    names = {0: "no target", 1: "one object"}
    return [
        expression.annotator
        or (None if expression.object_ids is None else names.get(len(expression.object_ids), "several objects"))
        for expression in video.expressions
    ]


def expression_kinds(video: VideoEntry, kinds: Sequence[str] | None = None) -> list[str | None]:
    """The kind of each expression of a video.

    A `kind` field in the data set takes precedence. Otherwise, if the ids of the expressions are exactly "0", "1", ...
    up to the number of kinds, the id is the position in `kinds`. The default kinds are for videos that describe one
    object in four ways, so without `kinds` all expressions must also refer to the same object. [D]

    Args:
        video: the video.
        kinds: names of the kinds by position; None for `DEFAULT_KINDS`.

    Returns:
        One name for each expression, None where the kind is not known.
    """
    names = DEFAULT_KINDS if kinds is None else kinds
    by_id = {str(position): name for position, name in enumerate(names)}
    known = {expression.id for expression in video.expressions} == set(by_id)
    if kinds is None:
        known = known and len({expression.object_id for expression in video.expressions}) == 1
    return [expression.kind or (by_id[expression.id] if known else None) for expression in video.expressions]
