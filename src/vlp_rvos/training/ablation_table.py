"""The results of an ablation as a table in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

__all__ = ["COLUMNS", "ablation_table", "is_summary", "is_table"]

#: name of a run's number -> title of its column
COLUMNS = {
    "iou_present": "IoU",
    "iou_video": "video",
    "iou_still": "still",
    "iou_pasted": "pasted",
    "presence_accuracy": "presence",
    "J&F": "J&F",
    "right_category": "right by name",
    "right_motion": "right by motion",
    "right": "right",
    "noticed": "false ones noticed",
}
#: numbers that are shown as a difference to the first row too
COMPARED = ("iou_present", "J&F", "right", "noticed")


def ablation_table(summary: Mapping[str, Any]) -> str:
    """The table in Markdown.

    A cell is the mean over the seeds in percent, plus or minus half the distance between the extremes. Differences are
    to the first row of the configuration, between runs of the same seed.

    Args:
        summary: result of `collect_results`.
    """
    rows = summary["rows"]
    found = {name for row in rows for run in row["runs"] for name in run["numbers"]}
    columns = {name: title for name, title in COLUMNS.items() if name in found}
    compared = [name for name in COMPARED if name in found]
    titles = ["row", *columns.values(), *(f"{columns[name]}, difference" for name in compared), "steps", "seeds"]
    lines = [_line(titles), "|---" * len(titles) + "|"]
    reference = summary["compared_with"]
    full = {run["seed"]: run["numbers"] for row in rows if row["name"] == reference for run in row["runs"]}
    for row in rows:
        numbers = {run["seed"]: run["numbers"] for run in row["runs"]}
        cells = [_cell([own[name] for own in numbers.values() if name in own]) for name in columns]
        for name in compared:
            pairs = [(own, full[seed]) for seed, own in numbers.items() if seed in full]
            differences = [own[name] - base[name] for own, base in pairs if name in own and name in base]
            cells.append("" if row["name"] == reference else _cell(differences, sign="+"))
        steps = round(fmean(run["steps"] for run in row["runs"]))
        lines.append(_line([row["title"], *cells, str(steps), str(len(numbers))]))
    return "\n".join(lines)


def is_summary(path: Path) -> bool:
    """Whether a file is a JSON file that holds the result of `collect_results`."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"base", "compared_with", "pairs", "rows"} <= content.keys()


def is_table(path: Path) -> bool:
    """Whether a file holds nothing but a table of ours."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    header = lines[0] if lines else ""
    return header.startswith("| row |") and header.endswith("| steps | seeds |") and all(x[:1] == "|" for x in lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(values: Sequence[float], sign: str = "") -> str:
    if not values:
        return ""
    mean, spread = 100 * fmean(values), 50 * (max(values) - min(values))
    return f"{mean:{sign}.1f}" + (f" ± {spread:.1f}" if len(values) > 1 else "")
