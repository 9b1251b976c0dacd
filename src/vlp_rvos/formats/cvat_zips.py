"""Zip files that CVAT imports as annotations of a task: "COCO 1.0" and "MOTS PNG 1.0".

CVAT finds the frame of an annotation by its name. The frames of a video are called frame_000000, frame_000001 and so
on, by their number in the whole video; a picture and the frames of a folder keep their names.
Sources: docs.cvat.ai, pages on the formats COCO and MOTS; the reader of MOTS in Datumaro.
"""

from __future__ import annotations

import io
import zipfile
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.formats.coco_json import CocoJson
from vlp_rvos.formats.file_names import frame_stem, unique_labels
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_objects import JPEG
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.utils.json_text import json_text

__all__ = ["CvatCocoWriter", "CvatMotsWriter"]

SUBSET = "default"
#: A pixel of MOTS is 1000 * (1 + number of the label) + number of the track, in 16 bits.
INSTANCES = 1000
MAX_LABELS = 2**16 // INSTANCES - 2


class _CvatZip(FormatWriter):
    """Writes a zip file bit by bit, and beside it `labels.json`, which CVAT takes for the labels of a task.

    The list of members, which a zip file has at its end, is kept in memory: less than a kilobyte for each frame.
    """

    file_name = ""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self.labels, self._numbers = unique_labels(header.expressions)
        # PNG and JPEG are compressed already.
        self._zip = zipfile.ZipFile(folder / self.file_name, "x", zipfile.ZIP_STORED)

    def write(self, result: FrameRecord) -> None:
        stem = self._stem(result)
        if result.image.size:
            encoded = io.BytesIO()
            PillowImage.fromarray(result.image).save(encoded, format="JPEG", **JPEG)
            self._zip.writestr(self._image_path(f"{stem}.jpg"), encoded.getvalue())
        self._add(result, stem)

    def _stem(self, result: FrameRecord) -> str:
        match self.header.kind:
            case "picture":
                return self.header.name
            case "folder":
                return frame_stem(result)
            case "file":
                return f"frame_{self.header.frame_number(result):06d}"

    @abstractmethod
    def _image_path(self, name: str) -> str:
        """Path of an image in the zip file."""

    @abstractmethod
    def _add(self, result: FrameRecord, stem: str) -> None:
        """Add the masks of a frame."""

    def close(self) -> None:
        self._zip.close()
        # Of any type: tracks are polygons in CVAT, and its tools draw only what the type of a label allows.
        labels = [{"name": label, "attributes": [], "type": "any"} for label in self.labels]
        (self.folder / "labels.json").write_text(json_text(labels, indent=1) + "\n", encoding="utf-8")

    def discard(self) -> None:
        self._zip.close()


class CvatCocoWriter(_CvatZip):
    """Writes `cvat-coco.zip`: masks of single frames, with score and track as attributes."""

    file_name = "cvat-coco.zip"

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._json = CocoJson(folder, header)

    def _image_path(self, name: str) -> str:
        return f"images/{SUBSET}/{name}"

    def _add(self, result: FrameRecord, stem: str) -> None:
        self._json.add(result, f"{stem}.jpg")

    def close(self) -> None:
        entry = zipfile.ZipInfo(f"annotations/instances_{SUBSET}.json")
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w", force_zip64=True) as raw, io.TextIOWrapper(raw, "utf-8") as file:
            self._json.write_into(file)
        super().close()


class CvatMotsWriter(_CvatZip):
    """Writes `cvat-mots.zip`: tracks, as images of 16 bits. Where masks overlap, the one with the best score wins."""

    file_name = "cvat-mots.zip"

    @classmethod
    def check(cls, video: Path | None, expressions: Sequence[str]) -> None:
        labels, _ = unique_labels(expressions)
        if len(labels) > MAX_LABELS:
            raise UserError(f"{len(labels)} labels: MOTS PNG holds {MAX_LABELS} at most; convert to cvat-coco")

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        values = [0] + [INSTANCES * (1 + number) + i + 1 for i, number in enumerate(self._numbers)]
        self._values = np.array(values, np.uint16)

    def _image_path(self, name: str) -> str:
        return f"{SUBSET}/images/{name}"

    def _add(self, result: FrameRecord, stem: str) -> None:
        ids = np.zeros(self.header.size, np.uint16)
        ids[result.box] = self._values[result.labels]
        encoded = io.BytesIO()
        PillowImage.fromarray(ids).save(encoded, format="PNG")
        self._zip.writestr(f"{SUBSET}/instances/{stem}.png", encoded.getvalue())

    def close(self) -> None:
        self._zip.writestr(f"{SUBSET}/instances/labels.txt", "\n".join(self.labels) + "\n")
        super().close()
