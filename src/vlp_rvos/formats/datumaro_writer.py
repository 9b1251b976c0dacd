"""JSON of Datumaro: one item for each frame, with masks.

Source: the page on the format "datumaro" of the documentation of Datumaro (Intel).
"""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.formats.file_names import frame_stem, unique_labels
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_objects import frame_objects, save_jpeg
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.formats.spooled_json import JsonList, write_json_object
from vlp_rvos.media.frame_record import FrameRecord

__all__ = ["DatumaroWriter"]

SUBSET = "default"


class DatumaroWriter(FormatWriter):
    """Writes `annotations/default.json`, and the frames to `images/default/` where the video is given."""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self.labels, self._numbers = unique_labels(header.expressions)
        self._items, self._count = JsonList(folder / "items.part"), 0

    def write(self, result: FrameRecord) -> None:
        stem = frame_stem(result)
        if result.image.size:
            save_jpeg(self.folder / "images" / SUBSET / f"{stem}.jpg", result.image)
        annotations = []
        for one in frame_objects(result):
            height, width = one.rle["size"]
            annotations.append(
                {
                    "id": self._count,
                    "type": "mask",
                    "attributes": {"track_id": one.track, "score": one.score},
                    "group": one.track,
                    "label_id": self._numbers[one.track - 1],
                    "rle": {"counts": one.rle["counts"], "size": [height, width]},
                    "z_order": 0,
                    "object_id": one.track,
                }
            )
            self._count += 1
        self._items.append(
            {
                "id": stem,
                "annotations": annotations,
                "attr": {"frame": self.header.frame_number(result)},
                "image": {"path": f"{stem}.jpg", "size": list(self.header.size)},
            }
        )

    def close(self) -> None:
        labels = [{"name": label, "parent": "", "attributes": []} for label in self.labels]
        content = {
            "dm_format_version": "1.0",
            "media_type": 2,
            "infos": {"description": f"masks of {self.header.file_name} by {self.header.model}"},
            "categories": {"label": {"labels": labels, "label_groups": [], "attributes": ["track_id", "score"]}},
            "items": self._items,
        }
        (self.folder / "annotations").mkdir()
        with (self.folder / "annotations" / f"{SUBSET}.json").open("w", encoding="utf-8") as file:
            write_json_object(file, content)
