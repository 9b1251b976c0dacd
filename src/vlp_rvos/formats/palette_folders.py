"""Palette PNG folders: the layouts of DAVIS 2017 and of Ref-YouTube-VOS.

Sources: the layout of the DAVIS 2017 challenge (davischallenge.org), and of Ref-YouTube-VOS (youtube-vos.org).
"""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.formats.file_names import frame_stem
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_objects import save_jpeg
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.formats.spooled_json import JsonList, write_json_object
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.palette import palette_png

__all__ = ["DavisWriter", "RefYouTubeVosWriter"]


class _PaletteFolders(FormatWriter):
    """Writes object ids as palette PNGs, and the frames as JPEGs where the video is given.

    Where masks overlap, the one with the best score wins.
    """

    resolution = ""

    def write(self, result: FrameRecord) -> None:
        stem = frame_stem(result)
        rows, columns = result.box
        png = palette_png(result.labels, (rows.start, columns.start), self.header.size, len(result.masks))
        path = self.folder / "Annotations" / self.resolution / self.header.name / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(png)
        if result.image.size:
            images = self.folder / "JPEGImages" / self.resolution / self.header.name
            save_jpeg(images / f"{stem}.jpg", result.image)


class DavisWriter(_PaletteFolders):
    """Writes the layout of DAVIS 2017: `Annotations/Full-Resolution/<video>/`, and lists in `ImageSets/2017/`.

    The layout holds no words. Object ids are numbered in the order of the expressions, which `objects.txt` lists.
    """

    resolution = "Full-Resolution"

    def close(self) -> None:
        sets = self.folder / "ImageSets" / "2017"
        sets.mkdir(parents=True)
        for split in ("train", "val"):
            (sets / f"{split}.txt").write_text(f"{self.header.name}\n", encoding="utf-8")
        lines = [f"{i + 1}\t{' '.join(text.split())}\n" for i, text in enumerate(self.header.expressions)]
        (self.folder / "objects.txt").write_text("".join(lines), encoding="utf-8", errors="backslashreplace")


class RefYouTubeVosWriter(_PaletteFolders):
    """Writes the layout of Ref-YouTube-VOS: `Annotations/<video>/` and `meta_expressions.json`."""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._frames = JsonList(folder / "frames.part")

    def write(self, result: FrameRecord) -> None:
        super().write(result)
        self._frames.append(frame_stem(result))

    def close(self) -> None:
        expressions = {str(i): {"exp": text, "obj_id": i + 1} for i, text in enumerate(self.header.expressions)}
        video = {"expressions": expressions, "frames": self._frames}
        with (self.folder / "meta_expressions.json").open("w", encoding="utf-8") as file:
            write_json_object(file, {"videos": {self.header.name: video}})
