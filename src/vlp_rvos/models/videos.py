"""What is known of videos, as the expressions about them need it. Shapes: B expressions, V videos."""

from __future__ import annotations

from torch import Tensor

__all__ = ["for_expressions"]


def for_expressions(of_videos: Tensor, video_of: Tensor | None) -> Tensor:
    """Values (V, ...) of videos -> (B, ...) values of the video that each expression is about; not to be changed.

    Those of a single video are not copied.

    Args:
        of_videos: (V, ...).
        video_of: (B,) index of the video that each expression is about; None: one expression for each, in order.
    """
    if video_of is None:
        return of_videos
    if len(of_videos) > 1:
        return of_videos[video_of]
    # Not `len`, which would fix the number of expressions in an exported graph.
    return of_videos.expand(video_of.shape[0], *of_videos.shape[1:])
