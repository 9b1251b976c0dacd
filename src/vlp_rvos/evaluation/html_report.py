"""Score files as pages: one self-contained HTML file with inline SVG and pictures, and no script.

What is said in a page comes from score files and data sets, so all of it is escaped.
"""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import PurePath
from statistics import fmean
from typing import Any

from vlp_rvos.evaluation.case_pictures import CasePicture
from vlp_rvos.evaluation.score_rows import ScoreRow, match_rows, mean_of, to_rows

__all__ = ["comparison_page", "headline", "report_page"]

COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f")
MAX_CURVES = 200
"""Videos whose curves are drawn, those with the lowest scores first: a page should open at once."""
MAX_POINTS = 200
KIND_POINTS = 100
MAX_CHANGES = 15
CHART = (1000, 180)
LEFT, BOTTOM = 30, 16

STYLE = """
:root { color-scheme: light; --ink: #1f2937; --faint: #6b7280; --line: #e5e7eb; --bar: #93c5fd; --fill: #f9fafb; }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 1080px; padding: 0 1rem; color: var(--ink);
  font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .3rem 0; } .faint { color: var(--faint); }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1.2rem 0; }
.tile { background: var(--fill); border: 1px solid var(--line); border-radius: 8px; padding: .5rem .9rem; }
.tile b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--faint); font-size: .85rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .22rem .6rem .22rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--faint); font-weight: 500; font-size: .85rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: anywhere; } td.bar { width: 30%; min-width: 120px; }
td.bar svg { margin-top: .3rem; } svg { display: block; max-width: 100%; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .45rem 0; padding: .35rem .8rem; }
summary { cursor: pointer; display: flex; gap: 1rem; justify-content: space-between; }
summary b { font-weight: 600; } details[open] summary { margin-bottom: .5rem; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 1rem; }
figure { margin: 0; } figure img { width: 100%; border-radius: 6px; display: block; }
figcaption { font-size: .85rem; margin-top: .3rem; overflow-wrap: anywhere; }
.up { color: #047857; } .down { color: #b91c1c; }
@media print { details { break-inside: avoid; } }
"""


def report_page(report: Mapping[str, Any], pictures: Sequence[CasePicture] = ()) -> str:
    """A page about one run.

    Args:
        report: a score file's content; see `vlp_rvos.evaluation.score_rows.to_rows`.
        pictures: of the worst cases.

    Raises:
        UserError: it is no score file.
    """
    rows = to_rows(report)
    title = _title(report)
    by_video = _by_video(rows)
    parts = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="faint">{_text(_subtitle(report, rows, by_video))}</p>',
        _tiles(headline(report)),
        _kinds_section(rows),
        _pictures_section(rows, pictures),
        _videos_section(by_video),
        _curves_section(by_video),
    ]
    return _page(title, parts)


def comparison_page(first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]) -> str:
    """A page about what changed from one run to another, over the expressions that both have.

    Args:
        first, second: two score files' contents.
        names: of the two.

    Raises:
        UserError: one is no score file.
    """
    pairs, alone = match_rows(to_rows(first), to_rows(second))
    before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    title = f"{names[0]} and {names[1]}"
    note = f"{len(pairs)} rows are in both files and are compared"
    note += f"; {alone} are in one only and are left out" if alone else ""
    sections = [_overall_section(before, after, names)]
    kinds = list(dict.fromkeys(row.kind for row in before if row.kind))
    if kinds:
        sections.append(_changes_section("Kinds of expression", "kind", pairs, lambda row: row.kind, kinds, names))
    by_video = {video: list(of_video) for video, of_video in groupby(pairs, key=lambda pair: pair[0].video)}
    videos = sorted(by_video, key=lambda video: _difference(by_video[video]))
    sections.append(_changes_section("Videos", "video", pairs, lambda row: row.video, videos, names))
    changed = sorted((pair for pair in pairs if pair[0].id), key=lambda pair: _difference([pair]))
    for heading, chosen in (("Lost most", changed[:MAX_CHANGES]), ("Gained most", changed[::-1][:MAX_CHANGES])):
        sections.append(_pairs_section(heading, chosen, names, 1 if heading == "Gained most" else -1))
    return _page(title, [f"<h1>{_text(title)}</h1>", f'<p class="faint">{_text(note)}</p>', *sections])


def headline(report: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that a run is known by: the benchmark's own, else J, F and J&F; those that are known."""
    names = ("J_mean", "F_mean", "J&F", "N_acc", "T_acc")
    metrics = report.get("metrics") or {name: report.get(name) for name in names}
    return {str(name): float(value) for name, value in metrics.items() if isinstance(value, int | float)}


def _title(report: Mapping[str, Any]) -> str:
    name = report.get("benchmark") or PurePath(str(report.get("dataset", "Predicted masks"))).name
    return " ".join(filter(None, [str(name), str(report.get("split") or "")]))


def _subtitle(report: Mapping[str, Any], rows: Sequence[ScoreRow], by_video: Mapping[str, Sequence[ScoreRow]]) -> str:
    parts = [f"model {report['model']}"] if report.get("model") else []
    parts.append(f"{len(by_video)} videos")
    if any(row.id for row in rows):
        parts.append(f"{len(rows)} {'expressions' if any(row.expression for row in rows) else 'objects'}")
    if report.get("protocol"):
        parts.append(str(report["protocol"]))
    return ", ".join(parts)


def _tiles(numbers: Mapping[str, float]) -> str:
    tiles = (f'<div class="tile"><b>{_number(v)}</b><span>{_text(k)}</span></div>' for k, v in numbers.items())
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _kinds_section(rows: Sequence[ScoreRow]) -> str:
    kinds = list(dict.fromkeys(row.kind for row in rows if row.kind and row.j_and_f is not None))
    if not kinds:
        return ""
    groups = {kind: [row for row in rows if row.kind == kind] for kind in kinds}
    table = _score_table("kind", groups)
    curves = {kind: [row.j for row in of_kind if len(row.j) > 2] for kind, of_kind in groups.items()}
    drawn = {kind: _mean_curve(of_kind) for kind, of_kind in curves.items() if of_kind}
    if drawn:
        names = " ".join(f'{_swatch(i)}<span class="faint">{_text(kind)}</span>' for i, kind in enumerate(drawn))
        table += f"<p>Mean J over time: {names}</p>" + _chart(list(drawn.values()), "start", "end of the video")
    return "<h2>Kinds of expression</h2>" + table


def _mean_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """Mean of curves of different lengths, each from the start to the end of its video."""
    stretched = []
    for values in curves:
        places = [(len(values) - 1) * k / (KIND_POINTS - 1) for k in range(KIND_POINTS)]
        pairs = [(values[int(place)], values[min(int(place) + 1, len(values) - 1)], place % 1) for place in places]
        stretched.append([before + share * (after - before) for before, after, share in pairs])
    return [fmean(values) for values in zip(*stretched, strict=True)]


def _videos_section(by_video: Mapping[str, Sequence[ScoreRow]]) -> str:
    return "<h2>Videos</h2>" + _score_table("video", by_video)


def _score_table(name: str, groups: Mapping[str, Sequence[ScoreRow]]) -> str:
    head = _cells([(name, ""), ("n", "n"), ("J", "n"), ("F", "n"), ("J&F", "n"), ("", "bar")], "th")
    lines = []
    for group, rows in groups.items():
        j, f, both = (mean_of(rows, measure) for measure in ("J_mean", "F_mean", "J&F"))
        numbers = [(str(len(rows)), "n"), *((_optional(value), "n") for value in (j, f, both))]
        lines.append(_cells([(group, ""), *numbers], "td", f'<td class="bar">{_bar(both)}</td>'))
    return f"<table>{_rows([head, *lines])}</table>"


def _curves_section(by_video: Mapping[str, Sequence[ScoreRow]]) -> str:
    drawn = {video: rows for video, rows in by_video.items() if any(len(row.j) > 2 for row in rows)}
    if not drawn:
        return ""
    order = sorted(drawn, key=lambda video: mean if (mean := mean_of(drawn[video])) is not None else 2.0)
    note = "Lowest scores first."
    if len(order) > MAX_CURVES:
        note += f" The {len(order) - MAX_CURVES} videos with the highest scores are left out."
    details = [_video_details(video, drawn[video], i == 0) for i, video in enumerate(order[:MAX_CURVES])]
    return f'<h2>J over time</h2><p class="faint">{note}</p>' + "".join(details)


def _video_details(video: str, rows: Sequence[ScoreRow], is_open: bool) -> str:
    summary = f"<b>{_text(video)}</b><span>J&amp;F {_optional(mean_of(rows))}</span>"
    head = _cells([("expression", ""), ("kind", ""), ("J", "n"), ("F", "n"), ("J&F", "n")], "th")
    lines = []
    for i, row in enumerate(rows):
        values = (row.scores.get(measure) for measure in ("J_mean", "F_mean", "J&F"))
        cells = _cells([(row.kind, ""), *((_optional(value), "n") for value in values)], "td")
        lines.append(f"<td>{_swatch(i)}{_text(_name(row))}</td>{cells}")
    table = f"<table>{_rows([head, *lines])}</table>"
    opened = " open" if is_open else ""
    curves = [row.j for row in rows]
    chart = _chart(curves, "first scored frame", f"{max(map(len, curves))} frames")
    return f"<details{opened}><summary>{summary}</summary>{chart}{table}</details>"


def _name(row: ScoreRow) -> str:
    return row.expression or (f"object {row.id}" if row.id else row.video)


def _swatch(position: int) -> str:
    return f'<i class="swatch" style="background:{COLOURS[position % len(COLOURS)]}"></i>'


def _chart(series: Sequence[Sequence[float]], first: str, last: str) -> str:
    """Curves in [0, 1] over their frames, in the colours of their order; what its two ends are called."""
    width, height = CHART
    inner_width, inner_height = width - LEFT - 6, height - BOTTOM - 6
    frames = max(map(len, series))

    def x_of(frame: float) -> float:
        return LEFT + inner_width * frame / max(frames - 1, 1)

    def y_of(value: float) -> float:
        return 6 + inner_height * (1 - value)

    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="J by frame">'
    ]
    for value in (0, 0.5, 1):
        y = y_of(value)
        parts.append(f'<line x1="{LEFT}" x2="{width - 6}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(
            f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end" font-size="11" fill="#6b7280">{value}</text>'
        )
    parts.append(f'<text x="{LEFT}" y="{height - 2}" font-size="11" fill="#6b7280">{first}</text>')
    end = f'text-anchor="end" font-size="11" fill="#6b7280">{last}</text>'
    parts.append(f'<text x="{width - 6}" y="{height - 2}" {end}')
    for i, values in enumerate(series):
        step = math.ceil(len(values) / MAX_POINTS) or 1
        points = " ".join(f"{x_of(t):.1f},{y_of(v):.1f}" for t, v in list(enumerate(values))[::step])
        dash = ' stroke-dasharray="5 3"' if i >= len(COLOURS) else ""
        colour = COLOURS[i % len(COLOURS)]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>')
    return "".join(parts) + "</svg>"


def _pictures_section(rows: Sequence[ScoreRow], pictures: Sequence[CasePicture]) -> str:
    if not pictures:
        return ""
    known = {(row.video, row.id): row for row in rows}
    figures = []
    for picture in pictures:
        row = known.get((picture.video, picture.expression))
        said = f"<b>{_text(row.expression)}</b><br>" if row and row.expression else ""
        image = base64.b64encode(picture.jpeg).decode("ascii")
        caption = f"{said}{_text(picture.video)}, {_text(picture.caption)}"
        if row:
            caption += f"; J&amp;F of all frames {_optional(row.j_and_f)}"
        figures.append(
            f'<figure><img src="data:image/jpeg;base64,{image}" alt="{_text(picture.caption)}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    legend = '<p class="faint">Pink is the predicted mask, the green line is around the true one.</p>'
    return f'<h2>Worst cases</h2>{legend}<div class="grid">{"".join(figures)}</div>'


def _overall_section(before: Sequence[ScoreRow], after: Sequence[ScoreRow], names: tuple[str, str]) -> str:
    lines = [
        _compared(measure, mean_of(before, measure), mean_of(after, measure), less_is_better=measure.endswith("_decay"))
        for measure in (before[0].scores if before else ())
    ]
    return "<h2>Mean</h2>" + _compared_table("measure", names, lines)


def _changes_section(
    heading: str,
    name: str,
    pairs: Sequence[tuple[ScoreRow, ScoreRow]],
    group_of: Callable[[ScoreRow], str],
    groups: Sequence[str],
    names: tuple[str, str],
) -> str:
    members: dict[str, list[tuple[ScoreRow, ScoreRow]]] = {group: [] for group in groups}
    for pair in pairs:
        if (group := group_of(pair[0])) in members:
            members[group].append(pair)
    lines = [
        _compared(group, mean_of(pair[0] for pair in found), mean_of(pair[1] for pair in found))
        for group, found in members.items()
    ]
    return f"<h2>{heading}, J&amp;F</h2>" + _compared_table(name, names, lines)


def _pairs_section(heading: str, pairs: Sequence[tuple[ScoreRow, ScoreRow]], names: tuple[str, str], sign: int) -> str:
    lines = [
        _compared(f"{_name(first)} ({first.video})", first.j_and_f, second.j_and_f)
        for first, second in pairs
        if sign * _difference([(first, second)]) > 0
    ]
    return f"<h2>{heading}</h2>" + _compared_table("expression", names, lines) if lines else ""


def _compared(name: str, first: float | None, second: float | None, *, less_is_better: bool = False) -> str:
    change = None if first is None or second is None else second - first
    kind = "" if not change else (" up" if (change > 0) != less_is_better else " down")
    cells = _cells([(name, ""), (_optional(first), "n"), (_optional(second), "n")], "td")
    text = "" if change is None else f"{100 * change:+.1f}"
    return f'{cells}<td class="n{kind}">{text}</td><td class="bar">{_change_bar(change, less_is_better)}</td>'


def _compared_table(name: str, names: tuple[str, str], lines: Sequence[str]) -> str:
    head = _cells([(name, ""), (names[0], "n"), (names[1], "n"), ("change", "n"), ("", "bar")], "th")
    return f"<table>{_rows([head, *lines])}</table>"


def _difference(pairs: Sequence[tuple[ScoreRow, ScoreRow]]) -> float:
    first, second = mean_of(pair[0] for pair in pairs), mean_of(pair[1] for pair in pairs)
    return 0.0 if first is None or second is None else second - first


def _by_video(rows: Iterable[ScoreRow]) -> dict[str, list[ScoreRow]]:
    return {video: list(of_video) for video, of_video in groupby(rows, key=lambda row: row.video)}


def _bar(value: float | None) -> str:
    length = 0 if value is None else 200 * min(max(value, 0), 1)
    return (
        '<svg viewBox="0 0 200 12" width="200" height="12" aria-hidden="true"><rect width="200" height="12" rx="3" '
        f'fill="#f3f4f6"/><rect width="{length:.1f}" height="12" rx="3" fill="#93c5fd"/></svg>'
    )


def _change_bar(change: float | None, less_is_better: bool) -> str:
    length = 0 if change is None else 100 * min(abs(change), 1)
    falls = change is not None and change < 0
    start, colour = (100 - length if falls else 100), ("#6ee7b7" if falls == less_is_better else "#fca5a5")
    return (
        '<svg viewBox="0 0 200 12" width="200" height="12" aria-hidden="true"><rect width="200" height="12" rx="3" '
        f'fill="#f3f4f6"/><rect x="{start:.1f}" width="{length:.1f}" height="12" fill="{colour}"/>'
        '<line x1="100" x2="100" y1="0" y2="12" stroke="#9ca3af"/></svg>'
    )


def _cells(cells: Iterable[tuple[str, str]], tag: str, more: str = "") -> str:
    made = (
        f'<{tag} class="{kind}">{_text(text)}</{tag}>' if kind else f"<{tag}>{_text(text)}</{tag}>"
        for text, kind in cells
    )
    return "".join(made) + more


def _rows(lines: Iterable[str]) -> str:
    return "".join(f"<tr>{line}</tr>" for line in lines)


def _number(value: float) -> str:
    """In percent, as the field does."""
    return f"{100 * value:.1f}"


def _optional(value: float | None) -> str:
    return "" if value is None else _number(value)


def _text(value: object) -> str:
    return html.escape(str(value))


def _page(title: str, parts: Iterable[str]) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )
