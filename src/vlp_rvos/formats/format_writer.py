"""The interface of everything that writes results in the format of another tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.media.result_writer import ResultWriter

__all__ = ["FormatWriter"]


class FormatWriter(ResultWriter):
    """Writes results into a folder, one frame at a time.

    Writers need not remove what they wrote: the folder takes its name only when it is complete, and is removed after a
    failure; see `ConvertedFolder`.

    Args:
        folder: An existing empty folder.
        header: What is known of the video.
        options: What was chosen about the format.
    """

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        self.folder, self.header, self.options = folder, header, options

    @classmethod
    def check(cls, video: Path | None, expressions: Sequence[str]) -> None:
        """Check, before there are results, that they can be written in this format.

        Args:
            video: The video file, picture or folder of frames; None where it is not given.
            expressions: The E expressions.

        Raises:
            UserError: The format cannot hold them, or a package is missing.
        """

    def close(self) -> None:
        """Finish the files."""

    def discard(self) -> None:
        """Close what is open."""
