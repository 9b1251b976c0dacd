"""Write masks as one JSON file in the run-length encoding of COCO."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.rle import encode_mask
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.results import FrameResult
from vlp_rvos.utils.atomic import part_path
from vlp_rvos.utils.json_text import json_text

__all__ = ["MasksJsonWriter"]


class MasksJsonWriter(ResultWriter):
    """Writes all masks into one JSON file, with score and presence. Each frame goes to the disk as it comes.

    Layout::

        {"video": {"name", "width", "height", "fps"}, "model": {"name", "version"}, "expressions": [...],
         "frames": [{"index", "time", "name", "objects": [{"id", "expression", "score", "presence",
                     "segmentation": {"size": [H, W], "counts": "..."}}]}],
         "truncated": null or why the frames end early}

    The `id` of an object is the one that it has in the palette PNGs, 1 to E.

    Args:
        path: The file to write. An existing file is replaced when the new one is complete.
        video: Name, size and frame rate of the video.
        expressions: The E expressions.
        model_name: Name of the model that made the masks.
        model_version: Version of the model that made the masks.

    Attributes:
        truncated: Why the frames end early, to be set before `close`; None where they do not.
    """

    def __init__(
        self, path: Path, video: VideoInfo, expressions: Sequence[str], model_name: str, model_version: str
    ) -> None:
        self.path = path
        self.truncated: str | None = None
        self._part = part_path(path)
        self._file: TextIO = self._part.open("w", encoding="utf-8")
        self._separator = ""
        header = {
            "video": {"name": video.name, "width": video.width, "height": video.height, "fps": video.fps},
            "model": {"name": model_name, "version": model_version},
            "expressions": list(expressions),
        }
        self._file.write(json_text(header)[:-1] + ', "frames": [')

    def write(self, result: FrameResult) -> None:
        (rows, columns), size = result.box, result.masks.shape[1:]
        objects = [
            {
                "id": i + 1,
                "expression": expression,
                "score": round(float(score), 6),
                "presence": round(float(presence), 6),
                "segmentation": encode_mask(mask[rows, columns], (rows.start, columns.start), size),
            }
            for i, (mask, expression, score, presence) in enumerate(
                zip(result.masks, result.expressions, result.scores, result.presences, strict=True)
            )
        ]
        frame: dict[str, Any] = {"index": result.index, "time": round(result.time, 6), "name": result.name}
        self._file.write(f"{self._separator}\n" + json_text(frame | {"objects": objects}))
        self._separator = ","

    def close(self) -> None:
        self._file.write(f'\n], "truncated": {json_text(self.truncated)}}}\n')
        self._file.close()
        os.replace(self._part, self.path)

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)
