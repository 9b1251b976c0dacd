"""JSON of YouTube-VIS: each expression is a category with one track, which has a mask or null for every frame.

Source: the format of the YouTube-VIS challenge (youtube-vos.org/dataset/vis).
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

__all__ = ["YtvisWriter"]


class YtvisWriter(FormatWriter):
    """Writes `instances.json`, and the frames to `JPEGImages/` where the video is given.

    The score of a track is the mean over the frames in which it has a mask.
    """

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._names = JsonList(folder / "names.part")
        kinds = ("segmentations", "bboxes", "areas")
        self._tracks = [
            {kind: JsonList(folder / f"{kind}-{i}.part") for kind in kinds} for i in range(len(header.expressions))
        ]
        self._scores = [[0.0, 0.0] for _ in header.expressions]

    def write(self, result: FrameRecord) -> None:
        name = f"{self.header.name}/{frame_stem(result)}.jpg"
        self._names.append(name)
        if result.image.size:
            save_jpeg(self.folder / "JPEGImages" / name, result.image)
        found = {one.track: one for one in frame_objects(result)}
        for i, track in enumerate(self._tracks):
            one = found.get(i + 1)
            track["segmentations"].append(one and one.rle)
            track["bboxes"].append(one and list(one.box))
            track["areas"].append(one and one.area)
            if one:
                self._scores[i][0] += one.score
                self._scores[i][1] += 1

    def close(self) -> None:
        labels, numbers = unique_labels(self.header.expressions)
        (height, width), length = self.header.size, len(self._names)
        shape = {"width": width, "height": height, "length": length}
        tracks = [
            {"id": i + 1, "video_id": 1, "category_id": numbers[i] + 1, "iscrowd": 0, **shape}
            | {"score": round(total / max(1, count), 6), **self._tracks[i]}
            for i, (total, count) in enumerate(self._scores)
        ]
        content = {
            "info": {"description": f"masks of {self.header.file_name} by {self.header.model}"},
            "videos": [{"id": 1, **shape, "file_names": self._names}],
            "categories": [
                {"id": i + 1, "name": label, "supercategory": "expression"} for i, label in enumerate(labels)
            ],
            "annotations": tracks,
        }
        with (self.folder / "instances.json").open("w", encoding="utf-8") as file:
            write_json_object(file, content)
