"""Which files a command may replace: those that an earlier run of this program wrote, by what is in them."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["is_page", "is_report", "is_score_table"]

#: Keys that the reports of each command have, and no other JSON file is likely to.
REPORT_KEYS = (
    # evaluate run, and evaluate with a benchmark
    {"dataset", "model", "videos", "video_means", "kinds"},
    # evaluate masks
    {"videos", "J_mean", "F_mean", "J&F"},
    # evaluate rle
    {"mAP@0.5:0.95", "AP@0.5", "AP@0.75"},
    # evaluate pictures
    {"dataset", "model", "videos", "origins", "reliability"},
    # evaluate grounding
    {"pairs", "presence"},
    # data check
    {"name", "folder", "complete", "items"},
    # bench overhead
    {"model_over_tower", "bf16_over_fp32", "second_expression_over_first"},
)
PAGE_START = b'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
#: What pages have in their head: the first one now, the second one in version 0.1.0.
PAGE_MARKS = (
    b'<meta name="generator" content="vlp-rvos">',
    b"""<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src""",
)


def is_report(path: Path) -> bool:
    """Whether a file is a JSON report of one of our commands."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and any(keys <= content.keys() for keys in REPORT_KEYS)


def is_score_table(path: Path) -> bool:
    """Whether a file is a CSV table of scores of ours."""
    from vlp_rvos.evaluation.score_rows import to_csv

    header = to_csv([]).encode()
    return _start(path, len(header)) == header


def is_page(path: Path) -> bool:
    """Whether a file is an HTML page of ours."""
    start = _start(path, 1000)
    return start.startswith(PAGE_START) and any(mark in start for mark in PAGE_MARKS)


def _start(path: Path, length: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(length)
    except OSError:
        return b""
