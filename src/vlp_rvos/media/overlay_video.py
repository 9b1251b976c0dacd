"""Write the overlay video: the frames with masks, outlines and expressions drawn on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av

from vlp_rvos.arrays import Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.overlay import OverlayRenderer
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.video_writer import MARK, VideoWriter
from vlp_rvos.utils.output_set import ADVICE, is_taken

__all__ = ["OverlayWriter", "check_overlay"]


class OverlayWriter(ResultWriter):
    """Writes the results as an H.264 mp4 of the video's size and timing; see `VideoWriter`.

    Args:
        path: The file to write. An existing file is replaced when the new one is complete.
        expressions: The E expressions; see `OverlayRenderer`.
        fps: Average frame rate of the written frames.
        pixel_aspect: Width of a pixel divided by its height, as it is shown.
        style: How the overlay looks. A legend below the frames adds its height to them.
    """

    def __init__(
        self,
        path: Path,
        expressions: Sequence[str],
        fps: float,
        pixel_aspect: Fraction = Fraction(1),
        style: OverlayStyle | None = None,
    ) -> None:
        self._renderer = OverlayRenderer(expressions, style)
        self._video = VideoWriter(path, fps, pixel_aspect)

    def write(self, result: FrameRecord) -> None:
        if result.yuv_frame is None:
            self._video.write(self._renderer.render(result), result.time)
        else:
            self._video.write_yuv(self._renderer.render_yuv(result), result.time, result.yuv_frame)

    def close(self) -> None:
        self._video.close()

    def discard(self) -> None:
        self._video.discard()


def check_overlay(path: Path, earlier_frames: Callable[[], tuple[Size, int]] | None = None) -> None:
    """Check that a path is free, or holds an overlay that `OverlayWriter` wrote.

    Args:
        path: The path.
        earlier_frames: Gives (H, W) and the number of the frames whose overlay version 0.1.0 wrote there, without mark.

    Raises:
        UserError: It is something else.
    """
    if not is_taken(path, "file"):
        return
    try:
        with av.open(str(path.absolute())) as container:
            if container.metadata.get("comment") == MARK:
                return
            video = container.streams.video[0]
            found = (video.height, video.width), video.frames
    except (OSError, ValueError, IndexError):
        found = (0, 0), 0
    if earlier_frames is not None:
        (height, width), frames = earlier_frames()
        # H.264 needs even sizes.
        if frames and found == ((height + height % 2, width + width % 2), frames):
            return
    raise UserError(f"{path} is not an overlay that vlp-rvos wrote: {ADVICE}")
