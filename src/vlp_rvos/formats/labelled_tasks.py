"""Labelled images of a JSON export of Label Studio: brush masks and polygons. Shapes: (H, W) pixels of the image."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Size
from vlp_rvos.data.sources.files import LAYOUT_ERRORS, finite_number, read_json, whole_number
from vlp_rvos.errors import UserError
from vlp_rvos.formats.brush_rle import decode_brush
from vlp_rvos.formats.labelled_frames import LabelledFrame, LabelledFrames, LabelledThing, existing_file
from vlp_rvos.media.rle import decode_mask

__all__ = ["read_label_studio"]

#: Kind of region -> the key of its labels. "brush" and "polygon" come with labels of a tag of their own.
MASKS = {"brushlabels": "brushlabels", "brush": "labels", "polygonlabels": "polygonlabels", "polygon": "labels"}
#: Kinds that outline things, but give no mask.
OTHERS = {
    "rectanglelabels": "a rectangle",
    "rectangle": "a rectangle",
    "ellipselabels": "an ellipse",
    "ellipse": "an ellipse",
    "videorectangle": "a rectangle on video",
    "videovector": "an outline on video",
}
#: Last parts of an address that are looked for: with all parts of a long one, looking would take minutes.
MAX_PARTS = 16
ADVICE = "draw brush masks or polygons on images"


def read_label_studio(file: Path) -> LabelledFrames:
    """Images of a JSON export, not of the shortened "JSON-MIN".

    The annotations of a task count; where it has none, its first prediction does. Cancelled ones are left out.

    Raises:
        UserError: The file is missing or no such export, or it holds rectangles or other shapes that are no masks.
    """
    content = read_json(file)
    if not isinstance(content, list) or not all(isinstance(task, dict) and "data" in task for task in content):
        raise UserError(f"{file} is not a JSON export of Label Studio: it needs a list of tasks with data")

    frames_of_tasks = []
    for number, task in enumerate(content, start=1):
        where = f"task {task.get('id', number)!r:.40} of {file}"
        try:
            frames_of_tasks.append(_frame(task, number, file, where))
        except UserError:
            raise
        except LAYOUT_ERRORS as error:
            raise UserError(f"{where} is malformed ({type(error).__name__}: {error!s:.200})") from error

    def frames() -> Iterator[LabelledFrame]:
        yield from frames_of_tasks

    return LabelledFrames(file, "label-studio", frames)


def _frame(task: Any, number: int, file: Path, where: str) -> LabelledFrame:
    data = task["data"]
    media = next((str(data[key]) for key in ("image", "img", "video") if key in data), "")
    media = media or next((value for value in data.values() if isinstance(value, str)), "")
    annotations = [one for one in task.get("annotations") or [] if not one.get("was_cancelled")]
    results = (annotations or task.get("predictions") or [{}])[0].get("result") or []
    things: list[LabelledThing] = []
    size: Size | None = None
    for region in results:
        kind = region.get("type")
        if kind in OTHERS:
            raise UserError(f"{where} holds {OTHERS[kind]}, which is no mask: {ADVICE}")
        if kind not in MASKS:
            continue
        size = whole_number(region["original_height"]), whole_number(region["original_width"])
        labels = region["value"].get(MASKS[kind]) or [""]
        identity = str(region.get("id", len(things) + 1))
        load = partial(_mask, region["value"], size, f"region {identity!r:.40} of {where}")
        things.append(LabelledThing(identity, str(labels[0]), (), load))
    name = unquote(_media_path(media)).rpartition("/")[2] or f"task {number}"
    return LabelledFrame("", f"{number} {name}", 0, size, _find(media, file.parent), tuple(things))


def _mask(value: Any, size: Size, where: str) -> npt.NDArray[np.bool_]:
    try:
        if "points" in value:
            points = [(finite_number(x) / 100 * size[1], finite_number(y) / 100 * size[0]) for x, y in value["points"]]
            return decode_mask([[number for point in points for number in point]], size)
        return decode_brush(value.get("rle"), size)
    except LAYOUT_ERRORS as error:
        raise UserError(f"{where} is broken: {error}") from error


def _media_path(media: str) -> str:
    """The path in an address: of local files it is the parameter `d`."""
    parts = urlsplit(media)
    return (parse_qs(parts.query).get("d") or [parts.path])[0]


def _find(media: str, folder: Path) -> Path | None:
    """The image of an address, looked for beside the export; None where it is not there."""
    path = _media_path(media)
    if ".." in unquote(path).split("/"):
        return None
    for name in (path, unquote(path)):
        parts = [part for part in name.split("/") if part not in ("", ".")][-MAX_PARTS:]
        for start in range(len(parts)):
            for place in (folder, folder / "images", folder.parent):
                # Label Studio puts eight characters and a hyphen before the name of a file that was uploaded.
                tail = [parts[start:], [*parts[start:-1], parts[-1].partition("-")[2]]]
                for candidate in tail:
                    if candidate[-1] and (found := existing_file(place.joinpath(*candidate))):
                        return found
    return None
