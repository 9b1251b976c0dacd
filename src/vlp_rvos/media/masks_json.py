"""Write masks as one JSON file in the run-length encoding of COCO."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.masks_reader import read_masks
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.rle import encode_mask
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.output_set import ADVICE, OutputSet, is_taken

__all__ = ["MasksJsonWriter", "check_masks_json", "frame_record"]


class MasksJsonWriter(ResultWriter):
    """Writes all masks into one JSON file, with score and presence. Each frame goes to the disk as it comes.

    Layout::

        {"video": {"name", "width", "height", "fps"}, "model": {"name", "version"}, "expressions": [...],
         "pointed": [ids of the objects that were pointed at; left out where there are none],
         "frames": [{"index", "time", "name", "objects": [{"id", "expression", "score", "presence",
                     "segmentation": {"size": [H, W], "counts": "..."}}]}],
         "found": [{"expression", "found", "found_frames", "spans": [[first, last], ...], ...}],
         "truncated": null or why the frames end early}

    The `id` of an object is the one that it has in the palette PNGs, 1 to E.

    Args:
        path: The file to write. An existing file is replaced when the new one is complete.
        video: Name, size and frame rate of the video.
        expressions: The E expressions, of which the last may be names of things that were pointed at.
        model_name: Name of the model that made the masks.
        model_version: Version of the model that made the masks.
        pointed: Number of things that were pointed at.

    Attributes:
        truncated: Why the frames end early, to be set before `close`; None where they do not.
        found: For each expression when and how surely it was found, as JSON values, to be set before `close`; None
            leaves the key out.
    """

    def __init__(
        self,
        path: Path,
        video: VideoInfo,
        expressions: Sequence[str],
        model_name: str,
        model_version: str,
        pointed: int = 0,
    ) -> None:
        self.path = path
        self.truncated: str | None = None
        self.found: list[dict[str, Any]] | None = None
        self._output = OutputSet(path.parent, {path.name: lambda _: None})
        self._file: TextIO = self._output.part(path.name).open("w", encoding="utf-8")
        self._separator = ""
        header: dict[str, Any] = {
            "video": {"name": video.name, "width": video.width, "height": video.height, "fps": video.fps},
            "model": {"name": model_name, "version": model_version},
            "expressions": list(expressions),
        }
        if pointed:
            header["pointed"] = list(range(len(expressions) - pointed + 1, len(expressions) + 1))
        self._file.write(json_text(header)[:-1] + ', "frames": [')

    def write(self, result: FrameRecord) -> None:
        self._file.write(f"{self._separator}\n" + json_text(frame_record(result)))
        self._separator = ","

    def close(self) -> None:
        end = ({} if self.found is None else {"found": self.found}) | {"truncated": self.truncated}
        self._file.write(f"\n], {json_text(end)[1:]}\n")
        self._file.close()
        self._output.close()

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._output.discard()


def frame_record(result: FrameRecord) -> dict[str, Any]:
    """The record of one frame in `masks.json`; see `MasksJsonWriter` for its layout."""
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
    return {"index": result.index, "time": round(result.time, 6), "name": result.name, "objects": objects}


def check_masks_json(path: Path) -> None:
    """Check that a path is free, or holds a `masks.json` that `MasksJsonWriter` wrote.

    Raises:
        UserError: It is something else.
    """
    if not is_taken(path, "file"):
        return
    try:
        read_masks(path)
    except UserError:
        raise UserError(f"{path} is not a masks.json that vlp-rvos wrote: {ADVICE}") from None
