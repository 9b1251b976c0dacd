"""Write the overlay video: the frames with masks, outlines and expressions drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlp_rvos.media.overlay import OverlayRenderer
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.video_writer import VideoWriter
from vlp_rvos.results import FrameResult

__all__ = ["OverlayWriter"]


class OverlayWriter(ResultWriter):
    """Writes the results as an H.264 mp4 of the video's size and timing; see `VideoWriter`.

    Args:
        path: The file to write. An existing file is replaced when the new one is complete.
        expressions: The E expressions; see `OverlayRenderer`.
        fps: Average frame rate of the written frames.
    """

    def __init__(self, path: Path, expressions: Sequence[str], fps: float) -> None:
        self._renderer = OverlayRenderer(expressions)
        self._video = VideoWriter(path, fps)

    def write(self, result: FrameResult) -> None:
        if result.yuv_frame is None:
            self._video.write(self._renderer.render(result), result.time)
        else:
            self._video.write_yuv(self._renderer.render_yuv(result), result.time, result.yuv_frame)

    def close(self) -> None:
        self._video.close()

    def discard(self) -> None:
        self._video.discard()
