"""The meaning of each name in a report."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["legend_of"]

_LEGEND = (
    ("J", r"J|J_.*", "region similarity: intersection over union of the predicted and the true mask"),
    ("F", r"F|F_.*", "boundary measure: harmonic mean of the precision and the recall of the mask's boundary"),
    ("J&F", r"J&F.*", "mean of J and F"),
    ("..._mean", r".*_mean", "mean over the frames"),
    ("..._recall", r".*_recall", "share of the frames that score more than 50"),
    ("..._decay", r".*_decay", "mean over the first quarter of the frames minus mean over the last; less is better"),
    (
        "J&F_without_assignment",
        r"J&F_without_assignment",
        "J&F if each mask is compared with the object that its own expression names; "
        "the other numbers compare it with the object that fits best",
    ),
    ("N_acc", r"N_acc", "share of the expressions without a target whose predicted mask is empty"),
    ("T_acc", r"T_acc", "share of the expressions with a target whose predicted mask is not empty"),
    ("P@K", r"P@.*", "share of the expressions whose IoU (intersection over union) is greater than K"),
    ("AP@K", r"AP@.*", "COCO's average precision, where a mask with an IoU of at least K is right"),
    ("mAP@0.5:0.95", r"mAP@.*", "mean of AP@K over K from 0.5 to 0.95"),
    ("overall_iou", r"overall_iou", "sum of the intersections divided by the sum of the unions, over all expressions"),
    ("mean_iou", r"mean_iou", "mean of the IoU over all expressions"),
    (
        "choice",
        r"choice",
        "share of the expressions that mean one thing and whose mask has a greater IoU with it than with any other "
        "outlined thing of the picture",
    ),
    ("chance", r"chance", "what choice would be if every outlined thing were as likely"),
    ("thing_iou", r"thing_iou", "mean IoU with the thing, over the expressions that mean one"),
    ("iou_half", r"iou_half", "share of the expressions that mean one thing and whose IoU is at least 50"),
    ("group_iou", r"group_iou", "mean IoU with all the things together, over the expressions that mean several"),
    (
        "noticed",
        r"noticed",
        "share of the false expressions with less presence than 95 % of the true ones; those of one file are compared "
        "with the true ones of that file, those of one kind with all true ones",
    ),
    ("noticed_by_default", r"noticed_by_default", "share of the false expressions below the default threshold"),
    ("kept_by_default", r"kept_by_default", "share of the true expressions that reach the default threshold"),
    ("painted_by_default", r"painted_by_default", "share of the false expressions for which a user gets a mask"),
    (
        "calibration_error",
        r"calibration_error",
        "expected calibration error of presence in 15 bins of equal width; less is better",
    ),
    ("false", r"false", "number of expressions that mean nothing in their picture"),
    ("n", r"n", "number of expressions, or of objects where there are no expressions"),
)


def legend_of(names: Iterable[str]) -> list[tuple[str, str]]:
    """Terms and their meanings, for those of the names that are known.

    Args:
        names: all names of scores that a page shows.
    """
    names = list(names)
    return [(term, meaning) for term, pattern, meaning in _LEGEND if any(re.fullmatch(pattern, name) for name in names)]
