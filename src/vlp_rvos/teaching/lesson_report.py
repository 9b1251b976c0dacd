"""The report of a lesson: `report.json`, and a picture of every held-out frame, before and after."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.data.sources.described_pictures import DescribedPicture
from vlp_rvos.evaluation.case_pictures import draw_masks
from vlp_rvos.formats.file_names import safe_name
from vlp_rvos.media.rle import decode_mask
from vlp_rvos.teaching.lesson import LessonSummary
from vlp_rvos.teaching.lesson_scores import Answer, LessonScores

__all__ = ["lesson_report", "write_pictures"]

GAP = 6


def lesson_report(
    summary: LessonSummary,
    names: Mapping[str, str],
    mix: tuple[float, float],
    tried: Sequence[tuple[tuple[float, float], LessonScores]],
    answers: tuple[Sequence[Answer], Sequence[Answer]],
) -> dict[str, Any]:
    """The content of `report.json`.

    Args:
        summary: What was found in the labels.
        names: Name of each stored picture -> the video and frame that it is of.
        mix: The shares of the new candidates and of the new choice that were taken.
        tried: All shares that were tried, the first of which keeps the old weights, and their scores.
        answers: Answers about the held-out frames, before and after.
    """
    scores = dict(tried)
    rows = [
        {"frame": names[b.picture], "expression": b.text, "before": _rounded(b.j), "after": _rounded(a.j)}
        for b, a in zip(*answers, strict=True)
        if b.j is not None
    ]
    return {
        "lesson": {
            "layout": summary.layout,
            "frames": len(summary.frames),
            "videos": len(summary.videos),
            "held_out": sorted({names[answer.picture] for answer in answers[0]}),
            "names": dict(summary.things),
            "problems": summary.problems,
        },
        "gained": mix != tried[0][0],
        "mix": _mix(mix),
        "before": asdict(tried[0][1]),
        "after": asdict(scores[mix]),
        "tried": [{"mix": _mix(shares), **asdict(found)} for shares, found in tried],
        "expressions": rows,
    }


def write_pictures(
    folder: Path,
    pictures: Sequence[DescribedPicture],
    names: Mapping[str, str],
    answers: tuple[Sequence[Answer], Sequence[Answer]],
) -> None:
    """Write a JPEG file for each taught expression about each held-out frame.

    On the left is the mask before, on the right the mask after, both filled, with what is meant outlined.

    Raises:
        UserError: A stored picture is missing or broken.
        OSError: The disk is full.
    """
    folder.mkdir(exist_ok=True)
    by_name = {picture.name: picture for picture in pictures}
    for number, (before, after) in enumerate(zip(*answers, strict=True)):
        if before.meant is None:
            continue
        picture = by_name[before.picture]
        masks = [thing.mask() for thing in picture.things if thing.id in before.meant]
        truth = np.logical_or.reduce(masks) if masks else None
        image = picture.load_image()
        sides = [PillowImage.open(io.BytesIO(draw_masks(image, decode_mask(a.mask), truth))) for a in (before, after)]
        joined = PillowImage.new("RGB", (2 * sides[0].width + GAP, sides[0].height), "white")
        joined.paste(sides[0], (0, 0))
        joined.paste(sides[1], (sides[0].width + GAP, 0))
        joined.save(folder / f"{number:03d}-{safe_name(names[before.picture])}-{safe_name(before.text)}.jpg")


def _mix(shares: tuple[float, float]) -> dict[str, float]:
    return {"candidates": shares[0], "choice": shares[1]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
