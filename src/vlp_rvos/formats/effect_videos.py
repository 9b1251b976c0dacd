"""Videos made with masks: cut-outs with alpha, and videos that highlight, blur or cut out the things.

Every frame keeps its time. The sound of the video is encoded again beside them.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlp_rvos.formats.chosen_masks import chosen_masks
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_effects import blurred, cut_out, highlighted, widened, with_background
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.sound_track import SoundTrack
from vlp_rvos.media.video_encoding import H264_MP4, PRORES_4444_MOV, VP9_ALPHA_WEBM
from vlp_rvos.media.video_file import VideoFile
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_writer import VideoWriter

__all__ = ["BlurWriter", "HighlightWriter", "ProResWriter", "RemoveBackgroundWriter", "WebmAlphaWriter"]

#: Side of the squares on which codecs with alpha work, in pixels.
BLOCK = 32


class _EffectVideos(FormatWriter):
    """Writes one video for all expressions together, or one for each."""

    encoding = H264_MP4

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._stack = ExitStack()
        self._videos = [
            (output, self._stack.enter_context(self._open(folder / f"{output.name}{self.encoding.suffix}")))
            for output in chosen_masks(header, options)
        ]

    def _open(self, path: Path) -> VideoWriter:
        header, sound = self.header, None
        if header.video is not None and header.video.is_file() and SoundTrack.is_in(header.video):
            source = open_video(header.video)
            if isinstance(source, VideoFile):
                sound = SoundTrack(source, header.first_time)
        return VideoWriter(path, header.media_fps, header.pixel_aspect, self.encoding, sound)

    def write(self, result: FrameRecord) -> None:
        for output, video in self._videos:
            video.write(self.draw(result, output.of(result)), result.time)

    @abstractmethod
    def draw(self, result: FrameRecord, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        """The picture of a frame: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA."""

    def close(self) -> None:
        self._stack.close()

    def discard(self) -> None:
        for _, video in self._videos:
            video.discard()


class ProResWriter(_EffectVideos):
    """Writes cut-outs as ProRes 4444 with straight alpha."""

    encoding = PRORES_4444_MOV

    def draw(self, result: FrameRecord, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        return cut_out(result.image, mask, BLOCK)


class WebmAlphaWriter(ProResWriter):
    """Writes cut-outs as VP9 with straight alpha."""

    encoding = VP9_ALPHA_WEBM


class HighlightWriter(_EffectVideos):
    """Writes the video, dimmed around the things."""

    def draw(self, result: FrameRecord, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        return highlighted(result.image, mask)


class BlurWriter(_EffectVideos):
    """Writes the video with the things blurred, a margin around them too, or everything else."""

    def draw(self, result: FrameRecord, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        return blurred(result.image, widened(mask) if self.options.blur == "thing" else ~mask)


class RemoveBackgroundWriter(_EffectVideos):
    """Writes the video with one colour instead of everything else."""

    def draw(self, result: FrameRecord, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        return with_background(result.image, mask, self.options.rgb)
