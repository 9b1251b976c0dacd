"""The training sample."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """Consecutive clips and expressions about them: F frames of (H, W) pixels, and E expressions.

    Attributes:
        frames: (F, 3, H, W) uint8 RGB.
        expressions: The E expressions.
        masks: (E, F, H, W) bool; all False for an expression that refers to nothing.
        kinds: What each expression refers to: "video" (an object of a real video), "still" (an object of a
            photograph), "pasted" (a cut-out), "several" (a group of objects) or "absent" (nothing).
        supervised: (E, F) bool, whether the mask is known; None where all are. Unknown masks are all False.
    """

    frames: Tensor
    expressions: list[str]
    masks: Tensor
    kinds: list[str]
    supervised: Tensor | None = None
