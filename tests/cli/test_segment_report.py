from __future__ import annotations

from pathlib import Path

import numpy as np
from frame_results import INFO

from vlp_rvos.cli.segment_report import SegmentReport
from vlp_rvos.cli.segment_summary import SegmentSummary
from vlp_rvos.results import FrameResult


def report(expressions: list[str], found: str, *, earlier: tuple[str, ...] = ()) -> SegmentReport:
    """A run over frames one second apart: the first expression is where `found` has `#`, the others are nowhere."""
    summary = SegmentSummary(expressions)
    for index, letter in enumerate(found):
        masks = np.zeros((len(expressions), 2, 2), bool)
        masks[0] = letter == "#"
        numbers = np.full(len(expressions), 0.125, np.float32)
        numbers[0] = 0.75
        image = np.zeros((2, 2, 3), np.uint8)
        summary.add(FrameResult(index, float(index), image, masks, numbers, numbers, tuple(expressions), "x"))
    written = {"masks": Path("out/masks"), "masks_json": Path("out/masks.json")}
    return SegmentReport(INFO, ("mini", "1"), summary, 2.0, written, earlier, None, [])


def test_the_report_in_words() -> None:
    assert report(["the dog", "a bus"], "##..#", earlier=("masks",)).lines() == [
        "5 frames in 2.0 s (2.5 frames/s)",
        '"the dog"  found 0:00.0-0:01.0 and at 0:04.0  sure 0.75',
        '"a bus"    not found (presence at most 0.12)',
        "wrote out/masks, out/masks.json in place of earlier results",
    ]


def test_many_spans_are_joined_and_said() -> None:
    line = report(["the dog"], "#." * 20).lines()[1]
    assert line.count("0:") < 20
    assert line.endswith(", with 12 short gaps  sure 0.75")


def test_long_and_wide_and_unsafe_expressions_keep_the_table_straight() -> None:
    lines = report(["the " * 40, "\u72ac\u72ac", "a\x1b[31m\nb"], "#").lines()[1:4]
    assert lines[0].startswith('"the the ')
    assert '..."  found at 0:00.0' in lines[0]
    assert lines[1].startswith('"\u72ac\u72ac"' + " " * 36 + "  not found")
    assert "\x1b" not in lines[2]
    assert '"a\\x1b[31m b"' in lines[2]


def test_the_report_as_json() -> None:
    found = report(["the dog", "a bus"], "##", earlier=("masks.json",)).to_json()
    assert found["replaced"] == ["masks_json"]
    assert [one["found"] for one in found["expressions"]] == [True, False]
    assert found["expressions"][0]["spans"] == [[0, 1]]
