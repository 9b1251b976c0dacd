"""N-acc and T-acc: whether a model tells expressions without a target from those with one."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

__all__ = ["target_accuracy"]


def target_accuracy(cases: Iterable[tuple[bool, bool]]) -> tuple[float | None, float | None]:
    """N-acc and T-acc.

    N-acc is the share of the expressions without a target whose prediction is empty, TP / (TP + FN). T-acc is the share
    of the expressions with a target whose prediction is not empty, TN / (TN + FP). Source: Liu et al., "GRES:
    Generalized Referring Expression Segmentation" (CVPR 2023). The mask of a video is empty if it is empty in all
    scored frames, as in MeViS of 2024 (Ding et al., TPAMI 2025).

    Args:
        cases: for each expression, whether it has a target, and whether anything was predicted.

    Returns:
        N-acc and T-acc in [0, 1]; None where there is no such expression.
    """
    cases = list(cases)
    without_target = [not has_prediction for has_target, has_prediction in cases if not has_target]
    with_target = [has_prediction for has_target, has_prediction in cases if has_target]
    return (fmean(without_target) if without_target else None), (fmean(with_target) if with_target else None)
