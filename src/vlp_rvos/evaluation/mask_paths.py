"""Where each mask lies inside a folder of predictions."""

from __future__ import annotations

from pathlib import Path

__all__ = ["annotator_mask_path", "expression_mask_path"]


def expression_mask_path(video: str, expression: str, frame: str) -> Path:
    """Mask of one expression: `<video>/<expression id>/<frame>.png`.

    The servers of Ref-YouTube-VOS and MeViS expect this layout.

    Args:
        video: name of the video.
        expression: id of the expression.
        frame: name of the frame.
    """
    return Path(video) / expression / f"{frame}.png"


def annotator_mask_path(annotator: str, video: str, frame: str) -> Path:
    """Object ids of all expressions of one annotator: `<annotator>/<video>/<frame>.png`.

    Args:
        annotator: name of the annotator, "" where a data set has none.
        video: name of the video.
        frame: name of the frame.
    """
    return Path(annotator) / video / f"{frame}.png"
