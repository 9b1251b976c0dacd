"""A lesson on the disk, as the stages of the training read it: one folder to learn from, one that is held out.

Both are folders of described pictures (`vlp_rvos.data.sources.described_pictures`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from vlp_rvos.media.resizing import resize_mask
from vlp_rvos.media.rle import encode_mask, mask_area
from vlp_rvos.teaching.lesson import Lesson, LessonFrame, LessonSummary, held_out_keys
from vlp_rvos.teaching.lesson_phrases import said_of
from vlp_rvos.utils.atomic import write_text
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.progress import counting

__all__ = ["HELD_OUT", "LEARNED", "write_lesson"]

LEARNED, HELD_OUT = "learned", "held-out"
#: Longest side of the stored pictures, in pixels: more than the network takes in.
MAX_SIDE = 1024
JPEG_QUALITY = 95


def write_lesson(lesson: Lesson, summary: LessonSummary, folder: Path) -> dict[str, str]:
    """Write both folders.

    Args:
        lesson: The frames.
        summary: What `check_lesson` found in them.
        folder: The folder to write them into. What an interrupted call has left there is replaced.

    Returns:
        Name of each stored picture -> the video and frame that it is of.

    Raises:
        OSError: The disk is full.
    """
    held_out, known = held_out_keys(summary.frames), list(summary.things)
    parts = {name: _Part(folder / name, varied=name == LEARNED) for name in (LEARNED, HELD_OUT)}
    names = {}
    with counting("storing the frames", "frames", len(summary.frames)) as count:
        for done, frame in enumerate((f for f in lesson.frames([]) if f.names), 1):
            part = parts[HELD_OUT if frame.key in held_out else LEARNED]
            names[part.add(frame, known)] = f"{frame.video}/{frame.name}" if frame.video else frame.name
            count(done)
    for part in parts.values():
        part.write(known)
    return names


class _Part:
    def __init__(self, folder: Path, *, varied: bool) -> None:
        self.folder, self.varied = folder, varied
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.said: dict[str, dict[str, Any]] = {}
        (folder / "images").mkdir(parents=True, exist_ok=True)

    def add(self, frame: LessonFrame, known: list[str]) -> str:
        """Store a frame, and return the name of its picture."""
        name = f"{frame.key:06d}.jpg"
        image, scale = PillowImage.fromarray(frame.image), MAX_SIDE / max(frame.image.shape[:2])
        if scale < 1:
            image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        image.save(self.folder / "images" / name, quality=JPEG_QUALITY)
        size = image.size[::-1]
        self.images.append({"id": frame.key, "file_name": name, "height": size[0], "width": size[1]})
        first, centres = len(self.annotations), []
        for names, mask in zip(frame.names, frame.masks, strict=True):
            small = resize_mask(mask, size)
            self._annotate(frame.key, known.index(names[0]), small)
            columns = np.flatnonzero(small.any(0))
            centres.append(float(columns.mean()) / size[1] if len(columns) else 0.0)
        entry: dict[str, Any] = {"objects": {}, "groups": [], "absent": []}
        for said in said_of(frame.names, centres, known, varied=self.varied):
            ids = [first + k for k in said.members]
            if not ids:
                entry["absent"].append(said.text)
            elif len(ids) == 1:
                entry["objects"].setdefault(str(ids[0]), []).append(said.text)
            else:
                entry["groups"].append([ids, said.text])
        self.said[name] = entry
        return name

    def _annotate(self, image: int, category: int, mask: npt.NDArray[np.bool_]) -> None:
        rle = encode_mask(mask)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [0, 0, 0, 0]
        if len(rows):
            corner = int(columns[0]), int(rows[0])
            box = [*corner, int(columns[-1]) + 1 - corner[0], int(rows[-1]) + 1 - corner[1]]
        self.annotations.append(
            {
                "id": len(self.annotations),
                "image_id": image,
                "category_id": category,
                "segmentation": rle,
                "area": mask_area(rle),
                "bbox": box,
                "iscrowd": 0,
            }
        )

    def write(self, known: list[str]) -> None:
        categories = [{"id": k, "name": name} for k, name in enumerate(known)]
        listed = {"images": self.images, "annotations": self.annotations, "categories": categories}
        write_text(self.folder / "instances.json", json.dumps(listed))
        write_text(self.folder / "expressions.json", json_text({"images": self.said}))
