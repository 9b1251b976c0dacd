"""Tasks of Label Studio: a video with rectangles or outlines, or one image with brush masks for each frame.

Label Studio has no brush masks on video: a video task holds rectangles, or with `vector` one outline for each thing.
Files are named as Label Studio serves them from its local files: `/data/local-files/?d=<folder>/<file>`, where the
folder that holds this one is LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT.
Sources: labelstud.io/tags, pages on VideoRectangle, VideoVector and BrushLabels; labelstud.io/guide/predictions.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from vlp_rvos.formats.brush_rle import encode_brush
from vlp_rvos.formats.file_names import frame_stem, unique_labels
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_objects import FrameObject, frame_objects, save_jpeg
from vlp_rvos.formats.mask_outline import mask_outline
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.formats.spooled_json import JsonList, write_json_object
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.overlay import overlay_colours
from vlp_rvos.utils.json_text import json_text

__all__ = ["LabelStudioBrushWriter", "LabelStudioVideoWriter"]

TASKS, CONFIG = "tasks.json", "labeling_config.xml"
SERVED = "/data/local-files/?d="


class _Tasks(FormatWriter):
    """Writes `tasks.json` and the labelling interface that it needs."""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self.labels, numbers = unique_labels(header.expressions)
        self._label_of = [self.labels[number] for number in numbers]
        # Folders are staged under a name of their own inside of another one; the last part is the final name.
        self._served = SERVED + quote(folder.name)

    def _labels_xml(self, indent: str) -> str:
        colours = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in overlay_colours(len(self.labels))]
        return "".join(
            f"{indent}<Label value={quoteattr(label)} background={quoteattr(colour)}/>\n"
            for label, colour in zip(self.labels, colours, strict=True)
        )

    def _write_config(self, inside: str) -> None:
        (self.folder / CONFIG).write_text(f"<View>\n{inside}</View>\n", encoding="utf-8", errors="backslashreplace")


class LabelStudioVideoWriter(_Tasks):
    """Writes one video task. Every segmented frame is a key frame; the video is copied where it is given as a file."""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        count = len(header.expressions)
        self._sequences = [JsonList(folder / f"sequence-{i}.part") for i in range(count)]
        self._pending: list[dict[str, Any] | None] = [None] * count
        self._scores: list[float] = [0.0] * count
        self._last = 0

    def write(self, result: FrameRecord) -> None:
        number = self.header.frame_number(result) + 1
        self._last = number
        found = {one.track: one for one in frame_objects(result)}
        for i in range(len(self._sequences)):
            one = found.get(i + 1)
            self._flush(i, goes_on=one is not None)
            if one is not None:
                shape = _vertices(one, self.header.size) if self.options.vector else _rectangle(one, self.header.size)
                self._pending[i] = {"frame": number, "time": round(result.time, 6), **shape}
                self._scores[i] = max(self._scores[i], one.score)

    def _flush(self, i: int, *, goes_on: bool) -> None:
        """Add the last key frame. One that is not enabled is shown itself, but not carried on to later frames."""
        if (key_frame := self._pending[i]) is not None:
            self._sequences[i].append(key_frame | {"enabled": goes_on})
        self._pending[i] = None

    def close(self) -> None:
        name = self._copy_video()
        kind, control = ("videovector", "vector") if self.options.vector else ("videorectangle", "box")
        results = []
        for i, sequence in enumerate(self._sequences):
            self._flush(i, goes_on=False)
            value = {
                "framesCount": self._last,
                "duration": round(self._last / self.header.fps, 6),
                "labels": [self._label_of[i]],
                "sequence": sequence,
            }
            if len(sequence):
                results.append(
                    {
                        "id": f"track{i + 1}",
                        "type": kind,
                        "from_name": control,
                        "to_name": "video",
                        "origin": "prediction",
                    }
                    | {"score": self._scores[i], "value": value}
                )
        prediction = {"model_version": self.header.model, "score": max(self._scores), "result": results}
        task = {"data": {"video": f"{self._served}/{quote(name)}"}, "predictions": [prediction]}
        with (self.folder / TASKS).open("w", encoding="utf-8") as file:
            file.write("[")
            write_json_object(file, task)
            file.write("]\n")
        tag = '<VideoVector name="vector" toName="video" closable="true"/>'
        tag = tag if self.options.vector else '<VideoRectangle name="box" toName="video"/>'
        self._write_config(
            f'  <Labels name="labels" toName="video">\n{self._labels_xml("    ")}  </Labels>\n'
            f'  <Video name="video" value="$video" frameRate="{self.header.fps:g}"/>\n  {tag}\n'
        )

    def _copy_video(self) -> str:
        name = self.header.video_file_name
        video = self.header.video
        if video is not None and video.is_file():
            shutil.copyfile(video, self.folder / name)
        return name


class LabelStudioBrushWriter(_Tasks):
    """Writes one image task for each frame, and the frames to `images/` where the video is given."""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._file = (folder / TASKS).open("w", encoding="utf-8")
        self._separator = "["

    def write(self, result: FrameRecord) -> None:
        name = f"{frame_stem(result)}.jpg"
        if result.image.size:
            save_jpeg(self.folder / "images" / name, result.image)
        height, width = self.header.size
        results = []
        for one in frame_objects(result):
            brush = {
                "format": "rle",
                "rle": encode_brush(result.masks[one.track - 1]),
                "brushlabels": [self._label_of[one.track - 1]],
            }
            results.append(
                {"id": f"track{one.track}", "type": "brushlabels", "from_name": "brush", "to_name": "image"}
                | {"original_width": width, "original_height": height, "image_rotation": 0, "origin": "prediction"}
                | {"score": one.score, "value": brush}
            )
        score = float(np.max(result.scores))
        task = {
            "data": {"image": f"{self._served}/images/{quote(name)}", "frame": self.header.frame_number(result)},
            "predictions": [{"model_version": self.header.model, "score": round(score, 6), "result": results}],
        }
        self._file.write(f"{self._separator}{json_text(task)}")
        self._separator = ",\n"

    def close(self) -> None:
        self._file.write("]\n")
        self._file.close()
        self._write_config(
            '  <Image name="image" value="$image" zoom="true"/>\n'
            f'  <BrushLabels name="brush" toName="image">\n{self._labels_xml("    ")}  </BrushLabels>\n'
        )

    def discard(self) -> None:
        self._file.close()


def _rectangle(one: FrameObject, size: tuple[int, int]) -> dict[str, Any]:
    """A rectangle in percent of the video."""
    (left, top, width, height), (rows, columns) = one.box, size
    sides = {"x": left / columns, "y": top / rows, "width": width / columns, "height": height / rows}
    return {key: round(100 * value, 4) for key, value in sides.items()} | {"rotation": 0}


def _vertices(one: FrameObject, size: tuple[int, int]) -> dict[str, Any]:
    """The outline of the largest part in percent of the video."""
    corners = (mask_outline(one.part) + one.box[:2]) / (size[1], size[0]) * 100
    ids = [f"p{i}" for i in range(len(corners))]
    vertices = [
        {"id": name, "prevPointId": before, "x": round(x, 4), "y": round(y, 4), "isBezier": False}
        for name, before, (x, y) in zip(ids, [None, *ids], corners.tolist(), strict=False)
    ]
    return {"vertices": vertices, "closed": True}
