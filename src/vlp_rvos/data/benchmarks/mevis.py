"""MeViS: referring expressions about motion, each about one object, several objects, or none.

```
<folder>/{train,valid_u,valid}/JPEGImages/<video>/<frame>.jpg
<folder>/{train,valid_u,valid}/meta_expressions.json   as Ref-YouTube-VOS, but "obj_id" and "anno_id" are lists
<folder>/{train,valid_u}/mask_dict.json                {annotation id: [COCO RLE or null, one for each frame]}
```
Object ids are the annotation ids, which are unique in a split. `valid` has no masks. Both releases can be read: that of
2023, and that of 2024 with more expressions, some of which refer to nothing. Source: Ding et al., "MeViS: A Large-scale
Benchmark for Video Segmentation with Motion Expressions" (ICCV 2023).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item, count_frames, try_to_read
from vlp_rvos.data.benchmarks.mevis_masks import MaskFile
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.sources.files import LAYOUT_ERRORS, check_videos, plain_name, read_json, whole_number
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_rgb, stored_size

__all__ = ["SPLITS", "Mevis", "check", "open_split"]

SPLITS = ("train", "valid_u", "valid")

VIDEOS = {"train": 1662, "valid_u": 50, "valid": 140}
EXPRESSIONS = {"train": (23051, 27502), "valid_u": (793, 907), "valid": (2236, 2523)}
"""Split -> number of expressions in the release of 2023, and in that of 2024."""

SOURCE = "get it from the project page of MeViS (henghuiding.com/MeViS) and unpack its splits into this folder"


class Mevis(ReferringDataset):
    """A split of MeViS.

    Args:
        folder: folder of the split.
        split: "train", "valid_u" or "valid".
        name: name of the data set.

    Raises:
        UserError: a file is missing or does not follow the layout.
    """

    def __init__(self, folder: Path, split: str, name: str) -> None:
        self.name, self.split = name, split
        self._folder = folder
        self.videos = _read_meta(folder / "meta_expressions.json")
        check_videos(self.videos, folder / "meta_expressions.json")
        self._by_name = {video.name: video for video in self.videos}
        self._masks = None if split == "valid" else MaskFile(folder / "mask_dict.json")

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        return read_rgb(self._folder / "JPEGImages" / video / f"{frame}.jpg")

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        if self._masks is None:
            return None
        index = self._by_name[video].frames.index(frame)
        masks = {i: self._masks.load(i, index) for i in annotation_ids(self._by_name[video])}
        file = self._folder / "JPEGImages" / video / f"{frame}.jpg"
        shapes = {mask.shape for mask in masks.values() if mask is not None}
        # Masks can be scored without the frames.
        if file.is_file() or not shapes:
            shapes.add(stored_size(file))
        if len(shapes) > 1:
            sizes = ", ".join(sorted(f"{width}x{height}" for height, width in shapes))
            raise UserError(
                f"masks of video '{video}' do not have the size of frame {frame} ({sizes}); fetch both again"
            )
        (shape,) = shapes
        return {i: np.zeros(shape, bool) if mask is None else mask for i, mask in masks.items()}


def open_split(folder: Path, split: str, name: str) -> Mevis:
    """Open a split. See `open_benchmark`."""
    return Mevis(folder / split, split, name)


def check(folder: Path, name: str) -> list[CheckItem]:
    """Compare videos, expressions, frames and annotations with the official numbers. See `check_benchmark`."""
    return [item for split in SPLITS for item in _check_split(folder / split, split)]


def annotation_ids(video: ReferringVideo) -> list[int]:
    """Ids of all objects of a video that an expression refers to."""
    return sorted({i for expression in video.expressions for i in expression.object_ids or ()})


def _check_split(folder: Path, split: str) -> list[CheckItem]:
    videos, hint = try_to_read(lambda: _read_meta(folder / "meta_expressions.json"), SOURCE)
    expressions = sum(len(video.expressions) for video in videos)
    official = expressions if expressions in EXPRESSIONS[split] else EXPRESSIONS[split][0]
    frames = sum(len(video.frames) for video in videos) or None
    items = [
        check_item(f"{split} videos", len(videos), VIDEOS[split], hint),
        check_item(f"{split} expressions", expressions, official, SOURCE),
        check_item(f"{split} frames", count_frames(folder / "JPEGImages", videos, ".jpg"), frames, SOURCE),
    ]
    if split != "valid":
        named = {i for video in videos for i in annotation_ids(video)}
        marked, hint = try_to_read(lambda: list(MaskFile(folder / "mask_dict.json").spans), SOURCE)
        items.append(
            check_item(f"{split} annotated objects", len(named.intersection(marked)), len(named) or None, hint)
        )
    return items


def _read_meta(file: Path) -> list[ReferringVideo]:
    content = read_json(file)
    try:
        videos = [_read_video(name, video, file) for name, video in content["videos"].items()]
    except UserError:
        raise
    except LAYOUT_ERRORS as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{file} does not follow the MeViS layout ({reason}); fetch it again") from error
    if not videos:
        raise UserError(f"{file} has no videos; fetch it again")
    return videos


def _read_video(name: str, video: Any, file: Path) -> ReferringVideo:
    frames = [plain_name(frame, file) for frame in video["frames"]]
    if not frames or len(set(frames)) != len(frames):
        raise UserError(f"{file}: video '{name}' has no frames, or lists one twice; fetch it again")
    expressions = []
    for key, entry in video["expressions"].items():
        where = f"{file}: expression '{key}' of video '{name}'"
        if not isinstance(entry["exp"], str):
            raise UserError(f"{where} has no text 'exp'; fetch the file again")
        ids = _ids(entry.get("anno_id"), where)
        expressions.append(ReferringExpression(plain_name(key, file), entry["exp"], ids))
    return ReferringVideo(plain_name(name, file), frames, expressions)


def _ids(value: Any, where: str) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        if isinstance(value, list):
            return tuple(whole_number(i) for i in value)
    except LAYOUT_ERRORS:
        pass
    raise UserError(f"{where} has the anno_id {value!r:.80}; it must be a list of numbers")
