"""Whether a model tells expressions with a target from those without one."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

__all__ = ["target_accuracy"]


def target_accuracy(cases: Iterable[tuple[bool, bool]]) -> tuple[float | None, float | None]:
    """N-acc and T-acc: whether it is told apart what refers to something and what refers to nothing.

    N-acc is the share of expressions without target whose prediction is empty, TP / (TP + FN); T-acc the share of those
    with a target whose prediction is not, TN / (TN + FP). Source: Liu et al., "GRES: Generalized Referring Expression
    Segmentation" (CVPR 2023); of a video, a mask is empty when it is so in all scored frames, as in MeViS
    of 2024 (Ding et al., TPAMI 2025).

    Args:
        cases: for each expression, whether it has a target, and whether something was predicted.

    Returns:
        Both in [0, 1], None where there is no such expression.
    """
    cases = list(cases)
    without = [not found for target, found in cases if not target]
    having = [found for target, found in cases if target]
    return (fmean(without) if without else None), (fmean(having) if having else None)
