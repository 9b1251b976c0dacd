"""Former place of `open_video` and `VideoWriter`, kept for scripts written for version 0.1.0."""

from __future__ import annotations

from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_writer import VideoWriter

__all__ = ["VideoWriter", "open_video"]
