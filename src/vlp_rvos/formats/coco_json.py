"""The JSON file of COCO's object detection, one image for each frame, with tracks and scores."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from vlp_rvos.formats.file_names import unique_labels
from vlp_rvos.formats.frame_objects import frame_objects
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.formats.spooled_json import JsonList, write_json_object
from vlp_rvos.media.frame_record import FrameRecord

__all__ = ["CocoJson"]


class CocoJson:
    """Collects images and annotations, and writes them as one file.

    Categories are the expressions. Every mask that is not empty is an annotation with run lengths, its score, and
    `track_id` and `score` under "attributes", where CVAT and Datumaro keep what COCO does not have.

    Args:
        folder: An existing folder for temporary files.
        header: What is known of the video.
    """

    def __init__(self, folder: Path, header: VideoHeader) -> None:
        self.header = header
        self.labels, self._numbers = unique_labels(header.expressions)
        self._images, self._annotations = JsonList(folder / "images.part"), JsonList(folder / "annotations.part")

    def add(self, result: FrameRecord, file_name: str) -> None:
        """Add a frame.

        Args:
            result: Its masks.
            file_name: Path of its image as the file shall have it.
        """
        height, width = self.header.size
        image_id = len(self._images) + 1
        image = {"id": image_id, "file_name": file_name, "width": width, "height": height}
        self._images.append(image | {"frame_index": self.header.frame_number(result), "time": round(result.time, 6)})
        for one in frame_objects(result):
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": image_id,
                    "category_id": self._numbers[one.track - 1] + 1,
                    "segmentation": one.rle,
                    "area": one.area,
                    "bbox": list(one.box),
                    "iscrowd": 0,
                    "score": one.score,
                    "attributes": {"track_id": one.track, "score": one.score, "occluded": False},
                }
            )

    def write_into(self, file: TextIO) -> None:
        """Write everything, and remove the temporary files."""
        categories = [{"id": i + 1, "name": label, "supercategory": ""} for i, label in enumerate(self.labels)]
        content = {
            "info": {"description": f"masks of {self.header.file_name} by {self.header.model}"},
            "licenses": [{"id": 0, "name": "", "url": ""}],
            "categories": categories,
            "images": self._images,
            "annotations": self._annotations,
        }
        write_json_object(file, content)
