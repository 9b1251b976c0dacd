"""A folder in the COCO format, which this package reads too: `instances.json` beside `images/`."""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.formats.coco_json import CocoJson
from vlp_rvos.formats.file_names import frame_stem
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_objects import save_jpeg
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.media.frame_record import FrameRecord

__all__ = ["CocoWriter"]


class CocoWriter(FormatWriter):
    """Writes `instances.json`, and the frames to `images/` where the video is given."""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._json = CocoJson(folder, header)

    def write(self, result: FrameRecord) -> None:
        name = f"{frame_stem(result)}.jpg"
        if result.image.size:
            save_jpeg(self.folder / "images" / name, result.image)
        self._json.add(result, name)

    def close(self) -> None:
        with (self.folder / "instances.json").open("w", encoding="utf-8") as file:
            self._json.write_into(file)
