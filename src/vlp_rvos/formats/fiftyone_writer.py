"""Video labels of FiftyOne: the video, and for each frame the things with their instance masks.

Source: docs.voxel51.com, the dataset format "FiftyOneVideoLabelsDataset", whose labels are those of ETA.
"""

from __future__ import annotations

import base64
import io
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlp_rvos.errors import UserError
from vlp_rvos.formats.file_names import unique_labels
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_objects import frame_objects
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.picture_file import is_picture
from vlp_rvos.utils.json_text import json_text

__all__ = ["FiftyOneWriter"]

#: The field of a frame that FiftyOne makes of the things. Without a name, that depends on its version.
FIELD = "detections"


class FiftyOneWriter(FormatWriter):
    """Writes `data/<video>`, a copy of the video file, `labels/<video>.json` and `manifest.json`."""

    @classmethod
    def check(cls, video: Path | None, expressions: Sequence[str]) -> None:
        if video is not None and (video.is_dir() or is_picture(video)):
            kind = "a folder of frames" if video.is_dir() else "a picture"
            raise UserError(f"{video} is {kind}, which FiftyOne takes as images: convert it to coco")

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        assert header.video is not None
        labels, numbers = unique_labels(header.expressions)
        self._label_of = [labels[number] for number in numbers]
        for part in ("data", "labels"):
            (folder / part).mkdir()
        shutil.copyfile(header.video, folder / "data" / header.video_file_name)
        self._file = (folder / "labels" / f"{header.name}.json").open("w", encoding="utf-8")
        self._file.write('{"frames": {')
        self._separator = ""

    def write(self, result: FrameRecord) -> None:
        number, (rows, columns) = self.header.frame_number(result) + 1, self.header.size
        objects = []
        for one in frame_objects(result):
            left, top, width, height = one.box
            objects.append(
                {
                    "name": FIELD,
                    "label": self._label_of[one.track - 1],
                    "bounding_box": {
                        "top_left": {"x": left / columns, "y": top / rows},
                        "bottom_right": {"x": (left + width) / columns, "y": (top + height) / rows},
                    },
                    "mask": _packed(one.part),
                    "confidence": one.score,
                    "index": one.track,
                    "attrs": {"attrs": []},
                }
            )
        frame = {"frame_number": number, "objects": {"objects": objects}}
        self._file.write(f'{self._separator}\n"{number}": {json_text(frame)}')
        self._separator = ","

    def close(self) -> None:
        self._file.write("\n}}\n")
        self._file.close()
        manifest = {
            "type": "eta.core.datasets.LabeledVideoDataset",
            "description": f"masks of {self.header.file_name} by {self.header.model}",
            "index": [{"data": f"data/{self.header.video_file_name}", "labels": f"labels/{self.header.name}.json"}],
        }
        (self.folder / "manifest.json").write_text(json_text(manifest, indent=1) + "\n", encoding="utf-8")

    def discard(self) -> None:
        self._file.close()


def _packed(mask: npt.NDArray[np.bool_]) -> str:
    """A mask as text: an array file of NumPy, compressed with zlib, in base 64."""
    content = io.BytesIO()
    np.save(content, mask, allow_pickle=False)
    return base64.b64encode(zlib.compress(content.getvalue())).decode("ascii")
