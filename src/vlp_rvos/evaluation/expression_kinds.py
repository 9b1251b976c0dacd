"""Kinds of expressions, by which scores are grouped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vlp_rvos.data.benchmarks.referring_dataset import ReferringVideo
from vlp_rvos.data.sources.ytvos import VideoEntry

__all__ = ["DEFAULT_KINDS", "KindsOf", "expression_kinds", "target_kinds"]

DEFAULT_KINDS = ("noun", "appearance", "motion", "description")


"""Kinds of the expressions "0" to "3" of a video that describes one object in four ways."""


KindsOf = Callable[[ReferringVideo], Sequence[str | None]]


"""From a video to the kind of each of its expressions, None where it is not known."""


def target_kinds(video: ReferringVideo) -> list[str | None]:
    """Kinds that every benchmark has: who wrote an expression, where that counts, else how much it refers to. [D]"""
    names = {0: "no target", 1: "one object"}
    return [
        x.annotator or (None if x.object_ids is None else names.get(len(x.object_ids), "several objects"))
        for x in video.expressions
    ]


def expression_kinds(video: VideoEntry, kinds: Sequence[str] | None = None) -> list[str | None]:
    """What kind each expression of a video is.

    A `kind` field of the data set comes first. Else, if the ids are exactly "0", "1", ... in the number of kinds, the
    id is the position in `kinds`. The default kinds are for videos that describe a single object in four ways, so
    without `kinds` all expressions must also refer to the same object. [D]

    Args:
        video: its expressions.
        kinds: names by position; None for `DEFAULT_KINDS`.

    Returns:
        One name, or None where it is not known, for each expression.
    """
    names = DEFAULT_KINDS if kinds is None else kinds
    by_id: Mapping[str, str] = {str(position): name for position, name in enumerate(names)}
    fits = {expression.id for expression in video.expressions} == set(by_id)
    if kinds is None:
        fits = fits and len({expression.object_id for expression in video.expressions}) == 1
    return [expression.kind or (by_id[expression.id] if fits else None) for expression in video.expressions]
