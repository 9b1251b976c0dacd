"""Score files as HTML pages: each page is one self-contained file with inline SVG and pictures, and without scripts.

The templates lie in `templates/`. Jinja escapes everything that they show, since it comes from files and data sets.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from vlp_rvos.evaluation.case_pictures import CasePicture
from vlp_rvos.evaluation.report_charts import Chart, colour_of, make_chart, mean_curve
from vlp_rvos.evaluation.report_legend import legend_of
from vlp_rvos.evaluation.score_rows import ScoreRow, match_rows, mean_of, to_rows

__all__ = ["comparison_page", "headline", "report_page"]

MAX_CURVES = 200
"""Largest number of videos with curves, those with the lowest scores, so that a page opens at once."""
MAX_CHANGES = 15
"""Largest number of expressions in the lists of the largest changes."""
BAR_WIDTH = 200
BREAKDOWN_NAMES = ("choice", "chance", "thing_iou", "iou_half", "group_iou", "noticed", "noticed_by_default")
TABLE_NAMES = ("n", "J", "F", "J&F")

RowPair = tuple[ScoreRow, ScoreRow]
"""The same expression in two runs, both of which scored it."""


def report_page(content: Mapping[str, Any], pictures: Sequence[CasePicture] = ()) -> str:
    """A page about one run.

    Args:
        content: content of a score file; see `vlp_rvos.evaluation.score_rows.to_rows`.
        pictures: pictures of the worst cases.

    Raises:
        UserError: the content is not that of a score file.
    """
    rows = to_rows(content)
    by_video = {video: list(of_video) for video, of_video in groupby(rows, key=lambda row: row.video)}
    kinds = dict.fromkeys(row.kind for row in rows if row.kind and row.j_and_f is not None)
    by_kind = {kind: [row for row in rows if row.kind == kind] for kind in kinds}
    numbers = headline(content)
    breakdowns = _breakdowns(content)
    drawn = _worst_first({video: rows for video, rows in by_video.items() if any(len(row.j) > 2 for row in rows)})
    return _render(
        "report.html",
        title=_title(content),
        subtitle=_subtitle(content, rows, by_video),
        headline=[(name, _percent(value)) for name, value in numbers.items()],
        items=_items(content),
        breakdowns=breakdowns,
        kinds=_score_lines(by_kind),
        kind_chart=_kind_chart(by_kind),
        pictures=_picture_figures(rows, pictures),
        videos=_score_lines(by_video),
        curves=[_video_curves(video, by_video[video]) for video in drawn[:MAX_CURVES]],
        left_out=max(len(drawn) - MAX_CURVES, 0),
        legend=legend_of([*numbers, *(name for table in breakdowns for name in table.columns), *TABLE_NAMES]),
    )


def comparison_page(first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]) -> str:
    """A page about what changed from one run to another, over the expressions that both runs scored.

    Args:
        first: content of the score file of the first run.
        second: content of the score file of the second run.
        names: names of the two runs.

    Raises:
        UserError: the content is not that of a score file.
    """
    pairs, alone = match_rows(to_rows(first), to_rows(second))
    note = f"{len(pairs)} rows are in both files and are compared"
    note += f"; {alone} are in one only and are left out" if alone else ""
    measures = list(pairs[0][0].scores) if pairs else []
    overall = [
        _change_line(measure, *_means(pairs, measure), less_is_better=measure.endswith("_decay"))
        for measure in measures
    ]
    by_kind = _grouped(pairs, lambda row: row.kind)
    by_video = _grouped(pairs, lambda row: row.video)
    by_video = dict(sorted(by_video.items(), key=lambda item: _mean_change(item[1])))
    expressions = sorted((pair for pair in pairs if pair[0].id), key=_change)
    lost = [pair for pair in expressions[:MAX_CHANGES] if _change(pair) < 0]
    gained = [pair for pair in expressions[::-1][:MAX_CHANGES] if _change(pair) > 0]
    sections = [
        _Section("Mean", "measure", overall),
        _Section("Kinds of expression, J&F", "kind", _group_changes({k: v for k, v in by_kind.items() if k})),
        _Section("Videos, J&F", "video", _group_changes(by_video)),
        _Section("Lost most", "expression", _expression_changes(lost)),
        _Section("Gained most", "expression", _expression_changes(gained)),
    ]
    return _render(
        "comparison.html",
        title=f"{names[0]} and {names[1]}",
        subtitle=note,
        runs=names,
        sections=[section for section in sections if section.lines],
        legend=legend_of(measures),
    )


def headline(content: Mapping[str, Any]) -> dict[str, float]:
    """The main numbers of a run: those that its benchmark reports, else J, F and J&F. Unknown numbers are left out.

    Args:
        content: content of a score file.
    """
    names = ("J_mean", "F_mean", "J&F", "N_acc", "T_acc")
    metrics = content.get("metrics") or {name: content.get(name) for name in names}
    return {str(name): float(value) for name, value in metrics.items() if isinstance(value, int | float)}


@dataclass(frozen=True)
class _ScoreLine:
    """Mean scores of a group of expressions; all numbers are texts."""

    name: str
    count: int
    j: str
    f: str
    j_and_f: str
    bar: str


@dataclass(frozen=True)
class _CurveRow:
    """Scores of an expression, with the colour of its curve."""

    name: str
    kind: str
    colour: str
    j: str
    f: str
    j_and_f: str


@dataclass(frozen=True)
class _VideoCurves:
    """A chart of a video, with its expressions."""

    name: str
    j_and_f: str
    chart: Chart
    rows: Sequence[_CurveRow]


@dataclass(frozen=True)
class _Figure:
    """A picture with its texts; `j_and_f` is None if the score file does not hold the expression."""

    jpeg: str
    caption: str
    video: str
    expression: str
    j_and_f: str | None


@dataclass(frozen=True)
class _ChangeLine:
    """A score of two runs, and a bar of its change to the left or the right of the middle."""

    name: str
    first: str
    second: str
    change: str
    direction: str
    bar_start: str
    bar_length: str
    bar_colour: str


@dataclass(frozen=True)
class _Section:
    """A table of changes."""

    heading: str
    name: str
    lines: Sequence[_ChangeLine]


@dataclass(frozen=True)
class _Breakdown:
    """A table of the scores on described pictures, with a line for each group of expressions; all cells are texts."""

    heading: str
    name: str
    columns: Sequence[str]
    lines: Sequence[tuple[str, Sequence[str]]]


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__package__ or "vlp_rvos.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(values)


def _title(content: Mapping[str, Any]) -> str:
    name = content.get("benchmark") or PurePath(str(content.get("dataset", "Predicted masks"))).name
    return " ".join(filter(None, [str(name), str(content.get("split") or "")]))


def _subtitle(content: Mapping[str, Any], rows: Sequence[ScoreRow], by_video: Mapping[str, Sequence[ScoreRow]]) -> str:
    parts = [f"model {content['model']}"] if content.get("model") else []
    parts.append(f"{len(by_video)} {_items(content)}")
    if any(row.id for row in rows):
        parts.append(f"{len(rows)} {'expressions' if any(row.expression for row in rows) else 'objects'}")
    if content.get("protocol"):
        parts.append(str(content["protocol"]))
    return ", ".join(parts)


def _items(content: Mapping[str, Any]) -> str:
    return "pictures" if "origins" in content else "videos"


def _breakdowns(content: Mapping[str, Any]) -> list[_Breakdown]:
    """Tables by origin and by kind, which only the scores on described pictures have."""
    if "origins" not in content:
        return []
    return [
        _Breakdown(
            heading,
            name,
            ("n", "false", *BREAKDOWN_NAMES),
            [
                (
                    str(group),
                    [
                        str(scores["single"] + scores["groups"]),
                        str(scores["false"]),
                        *(_percent(scores[column]) for column in BREAKDOWN_NAMES),
                    ],
                )
                for group, scores in content[key].items()
            ],
        )
        for heading, name, key in (("Files of expressions", "file", "origins"), ("Choice by kind", "kind", "kinds"))
    ]


def _score_lines(groups: Mapping[str, Sequence[ScoreRow]]) -> list[_ScoreLine]:
    lines = []
    for name, rows in groups.items():
        j, f, both = (mean_of(rows, score) for score in ("J_mean", "F_mean", "J&F"))
        bar = 0 if both is None else BAR_WIDTH * min(max(both, 0), 1)
        lines.append(_ScoreLine(name, len(rows), _percent(j), _percent(f), _percent(both), f"{bar:.1f}"))
    return lines


def _kind_chart(by_kind: Mapping[str, Sequence[ScoreRow]]) -> Chart | None:
    curves = {kind: [row.j for row in rows if len(row.j) > 2] for kind, rows in by_kind.items()}
    drawn = [(kind, mean_curve(of_kind)) for kind, of_kind in curves.items() if of_kind]
    return make_chart(drawn, "start", "end of the video") if drawn else None


def _worst_first(by_video: Mapping[str, Sequence[ScoreRow]]) -> list[str]:
    """Names of the videos by their J&F; those without a score come last."""
    means = {video: mean_of(rows) for video, rows in by_video.items()}
    return sorted(means, key=lambda video: 2.0 if (mean := means[video]) is None else mean)


def _video_curves(video: str, rows: Sequence[ScoreRow]) -> _VideoCurves:
    frames = max(len(row.j) for row in rows)
    chart = make_chart([(_name(row), row.j) for row in rows], "first scored frame", f"{frames} frames")
    lines = [
        _CurveRow(
            _name(row),
            row.kind,
            colour_of(i),
            *(_percent(row.scores.get(score)) for score in ("J_mean", "F_mean", "J&F")),
        )
        for i, row in enumerate(rows)
    ]
    return _VideoCurves(video, _percent(mean_of(rows)), chart, lines)


def _picture_figures(rows: Sequence[ScoreRow], pictures: Sequence[CasePicture]) -> list[_Figure]:
    known = {(row.video, row.id): row for row in rows}
    figures = []
    for picture in pictures:
        row = known.get((picture.video, picture.expression))
        figures.append(
            _Figure(
                base64.b64encode(picture.jpeg).decode("ascii"),
                picture.caption,
                picture.video,
                row.expression if row else "",
                _percent(row.j_and_f) if row else None,
            )
        )
    return figures


def _grouped(pairs: Iterable[RowPair], group_of: Callable[[ScoreRow], str]) -> dict[str, list[RowPair]]:
    groups: dict[str, list[RowPair]] = {}
    for pair in pairs:
        groups.setdefault(group_of(pair[0]), []).append(pair)
    return groups


def _group_changes(groups: Mapping[str, Sequence[RowPair]]) -> list[_ChangeLine]:
    return [_change_line(name, *_means(pairs)) for name, pairs in groups.items()]


def _expression_changes(pairs: Iterable[RowPair]) -> list[_ChangeLine]:
    return [_change_line(f"{_name(first)} ({first.video})", first.j_and_f, second.j_and_f) for first, second in pairs]


def _change_line(name: str, first: float | None, second: float | None, *, less_is_better: bool = False) -> _ChangeLine:
    change = 0.0 if first is None or second is None else second - first
    is_known = first is not None and second is not None
    length = BAR_WIDTH / 2 * min(abs(change), 1)
    return _ChangeLine(
        name,
        _percent(first),
        _percent(second),
        change=f"{100 * change:+.1f}" if is_known else "",
        direction="" if not change else "up" if (change > 0) != less_is_better else "down",
        bar_start=f"{BAR_WIDTH / 2 - (length if change < 0 else 0):.1f}",
        bar_length=f"{length:.1f}",
        bar_colour="#6ee7b7" if (change < 0) == less_is_better else "#fca5a5",
    )


def _means(pairs: Sequence[RowPair], score: str = "J&F") -> tuple[float | None, float | None]:
    return mean_of((pair[0] for pair in pairs), score), mean_of((pair[1] for pair in pairs), score)


def _change(pair: RowPair) -> float:
    first, second = pair[0].j_and_f, pair[1].j_and_f
    assert first is not None
    assert second is not None
    return second - first


def _mean_change(pairs: Sequence[RowPair]) -> float:
    first, second = _means(pairs)
    return 0.0 if first is None or second is None else second - first


def _name(row: ScoreRow) -> str:
    return row.expression or (f"object {row.id}" if row.id else row.video)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
