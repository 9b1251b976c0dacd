"""Tables of scores for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from vlp_rvos.cli.messages import safe_text
from vlp_rvos.evaluation.score_rows import mean_of

if TYPE_CHECKING:
    from vlp_rvos.evaluation.dataset_scores import DatasetScores
    from vlp_rvos.evaluation.expression_scores import Means
    from vlp_rvos.evaluation.folder_scores import FolderScores, VideoScores
    from vlp_rvos.evaluation.picture_scores import PictureScores, PictureSummary
    from vlp_rvos.evaluation.score_rows import ScoreRow

__all__ = ["comparison_table", "dataset_tables", "folder_table", "metrics_table", "picture_tables"]

MAX_LISTED = 60
"""Largest number of videos in a table."""


def folder_table(scores: FolderScores) -> Table:
    """J, F and their statistics for each video, or for each object where objects were scored apart."""
    apart = any(video.objects for video in scores.videos.values())
    table = _table(
        "J and F per object" if apart else "J and F per video",
        ["video", "object"] if apart else ["video"],
        ["frames", "J", "recall", "decay", "F", "recall", "decay", "J&F"],
    )
    for name, video in scores.videos.items():
        for i, part in video.objects.items():
            _add_row(table, name, str(i), *_statistics(part))
        if not apart:
            _add_row(table, name, *_statistics(video))
    frames = sum(len(video.j) for video in scores.videos.values())
    table.add_section()
    if apart:
        for name, video in scores.videos.items():
            j, f = fmean(video.j), fmean(video.f)
            _add_row(table, name, "all", str(len(video.j)), *_means(j, f))
        table.add_section()
    _add_row(table, "mean", *([""] if apart else []), str(frames), *_means(scores.j_mean, scores.f_mean))
    return table


def dataset_tables(scores: DatasetScores) -> Iterable[Table]:
    """J and F for each expression, for each video and for each kind of expression."""
    expressions = _table("J and F per expression", ["video", "id", "expression", "kind"], ["J", "F", "J&F"])
    for video, entries in scores.videos.items():
        for key, entry in entries.items():
            _add_row(expressions, video, key, entry.expression, entry.kind or "", *_mean_numbers(entry.means))
    yield expressions
    if scores.means is None:
        return
    videos = _table("J and F per video", ["video"], ["J", "F", "J&F"])
    for video, means in list(scores.video_means.items())[:MAX_LISTED]:
        _add_row(videos, video, *_mean_numbers(means))
    if (more := len(scores.video_means) - MAX_LISTED) > 0:
        _add_row(videos, f"and {more} more (see --json, --csv or --html)", "", "", "")
    yield videos
    kinds = _table("J and F per kind of expression", ["kind"], ["n", "J", "F", "J&F"])
    for kind, (means, n) in scores.kinds.items():
        _add_row(kinds, kind, str(n), *_mean_numbers(means))
    kinds.add_section()
    scored = sum(bool(entry.j) for entries in scores.videos.values() for entry in entries.values())
    _add_row(kinds, "all", str(scored), *_mean_numbers(scores.means))
    yield kinds


def metrics_table(metrics: Mapping[str, float | None]) -> Table:
    """The metrics that a benchmark has, by name."""
    table = _table("", ["metric"], ["value"])
    for name, value in metrics.items():
        if value is not None:
            _add_row(table, name, *_numbers(value))
    return table


def picture_tables(scores: PictureScores) -> Iterable[Table]:
    """Scores on described pictures: by file and by kind of expression, then as a user gets them."""
    table = _table(
        "Whatever the presence; noticed where 95 % of the true ones are kept",
        ["file or kind"],
        ["n", "choice", "chance", "IoU", "IoU>=.5", "group", "false", "noticed"],
    )
    for name, part in scores.origins.items():
        _add_row(table, name, *_picture_numbers(part))
    table.add_section()
    for name, part in scores.kinds.items():
        _add_row(table, name, *_picture_numbers(part))
    table.add_section()
    _add_row(table, "all", *_picture_numbers(scores.summary))
    yield table
    default = _table(
        f"As a user gets it: no mask where presence is below {scores.default_threshold:.3f}",
        ["file"],
        ["choice", "IoU", "group", "kept", "noticed", "painted", "ECE", "ECE (n)"],
    )
    for name, part in {**scores.origins, "all": scores.summary}.items():
        if name == "all":
            default.add_section()
        numbers = (
            part.choice_by_default,
            part.thing_iou_by_default,
            part.group_iou_by_default,
            part.kept_by_default,
            part.noticed_by_default,
            part.painted_by_default,
            part.calibration_error,
            part.calibration_error_equal_count,
        )
        _add_row(default, name, *map(_known, numbers))
    yield default


def comparison_table(pairs: Sequence[tuple[ScoreRow, ScoreRow]], names: tuple[str, str]) -> Table:
    """Mean J&F before and after, for each kind of expression.

    Args:
        pairs: rows of the two runs about the same expression.
        names: of the two runs.
    """
    table = _table(f"J&F of {len(pairs)} expressions", ["kind"], [*names, "change"])
    kinds = dict.fromkeys(first.kind for first, _ in pairs if first.kind)
    for kind in (*kinds, None):
        means = [mean_of(pair[i] for pair in pairs if kind in (None, pair[0].kind)) for i in range(2)]
        if kind is None:
            table.add_section()
        first, second = means
        assert first is not None
        assert second is not None
        _add_row(table, kind or "all", *_numbers(first, second), f"{second - first:+.3f}")
    return table


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=safe_text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(safe_text(name), overflow="fold")
    for number in numbers:
        table.add_column(safe_text(number), justify="right", no_wrap=True)
    return table


def _add_row(table: Table, *cells: str) -> None:
    table.add_row(*map(safe_text, cells))


def _picture_numbers(part: PictureSummary) -> list[str]:
    scores = part.choice, part.chance, part.thing_iou, part.iou_half, part.group_iou
    return [str(part.single + part.groups), *map(_known, scores), str(part.false), _known(part.noticed)]


def _known(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _numbers(*values: float) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _statistics(part: VideoScores) -> list[str]:
    j, f = part.j_statistics, part.f_statistics
    return [str(len(part.j)), *_numbers(*j, *f, (j.mean + f.mean) / 2)]


def _means(j: float, f: float) -> list[str]:
    """Without recall and decay, between which the means stand."""
    first, second, both = _numbers(j, f, (j + f) / 2)
    return [first, "", "", second, "", "", both]


def _mean_numbers(means: Means | None) -> list[str]:
    return _numbers(means.j.mean, means.f.mean, means.j_and_f) if means else ["", "", ""]
