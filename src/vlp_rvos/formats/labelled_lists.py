"""Labelled frames that one JSON file lists: COCO, and YouTube-VIS. Shapes: (H, W) pixels of the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Size
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.described_pictures import DescribedPictures
from vlp_rvos.data.sources.files import LAYOUT_ERRORS, plain_name, read_json, whole_number
from vlp_rvos.errors import UserError
from vlp_rvos.formats.labelled_frames import LabelledFrame, LabelledFrames, LabelledThing, existing_file
from vlp_rvos.media.rle import decode_mask

__all__ = ["read_coco", "read_ytvis"]

EXPRESSIONS = "expressions.json"


def read_coco(file: Path) -> LabelledFrames:
    """Images of a file in the COCO format, such as CVAT's "COCO 1.0".

    Groups of things that are not split (`iscrowd`) are left out. Expressions are those of `expressions.json` beside
    the file, if it is there; see `DescribedPictures`.

    Raises:
        UserError: The file is missing, or is not in the COCO format.
    """
    coco = CocoFolder(file.parent, file=file)
    said: dict[str, dict[str, list[str]]] = {}
    if file.name == "instances.json" and (file.parent / EXPRESSIONS).is_file():
        for picture in DescribedPictures(file.parent).pictures:
            mapping = said.setdefault(picture.name, {})
            for expression in picture.expressions:
                if len(expression.thing_ids) == 1:
                    mapping.setdefault(expression.thing_ids[0], []).append(expression.text)
    names = [image.file_name for image in coco.images]
    folder = _image_folder(names, _beside(file))
    # Frames of one video share their tracks; other images have things of their own.
    tracked = any(one.track for image in coco.images for one in coco.annotations_of(image))
    video = file.stem if tracked else ""

    def frames() -> Iterator[LabelledFrame]:
        for index, image in enumerate(coco.images):
            things = tuple(
                LabelledThing(
                    track=one.track or f"annotation {one.id}",
                    label=one.category,
                    expressions=tuple(said.get(image.file_name, {}).get(one.id, ())),
                    load=partial(coco.mask, one),
                )
                for one in coco.annotations_of(image)
                if not one.crowd
            )
            path = None if folder is None else existing_file(folder / image.file_name)
            size = (image.height, image.width)
            yield LabelledFrame(video, image.file_name, index if tracked else 0, size, path, things)

    return LabelledFrames(file, "coco", frames)


def read_ytvis(file: Path) -> LabelledFrames:
    """Videos of a file in the format of YouTube-VIS.

    Raises:
        UserError: The file is missing, or is not in this format.
    """
    content = read_json(file)
    try:
        videos = [_YtvisVideo(video, file) for video in content["videos"]]
        by_id = {video.id: video for video in videos}
        categories = {str(entry["id"]): str(entry["name"]) for entry in content["categories"]}
        for entry in content["annotations"] or []:
            by_id[str(entry["video_id"])].add(entry, categories)
    except UserError:
        raise
    except LAYOUT_ERRORS as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{file} is not in the format of YouTube-VIS ({reason:.200})") from error
    folder = _image_folder([name for video in videos for name in video.names], _beside(file))

    def frames() -> Iterator[LabelledFrame]:
        for video in videos:
            yield from video.frames(folder)

    return LabelledFrames(file, "ytvis", frames)


class _YtvisVideo:
    """One video of a file, with its tracks."""

    def __init__(self, entry: Any, file: Path) -> None:
        self.file, self.id = file, str(entry["id"])
        self.names = [_checked_path(name, file) for name in entry["file_names"]]
        self.size: Size = whole_number(entry["height"]), whole_number(entry["width"])
        first = self.names[0] if self.names else ""
        self.name = first.rpartition("/")[0] or f"video {self.id}"
        self._tracks: list[tuple[str, str, Sequence[Any]]] = []

    def add(self, entry: Any, categories: dict[str, str]) -> None:
        """Add a track."""
        masks = entry["segmentations"]
        if not isinstance(masks, list) or len(masks) != len(self.names):
            raise UserError(f"{self.file}: annotation {entry['id']} does not have one mask or null for each frame")
        self._tracks.append((str(entry["id"]), categories[str(entry["category_id"])], masks))

    def frames(self, folder: Path | None) -> Iterator[LabelledFrame]:
        """The frames; those of a track that is not there have no thing of it."""
        for index, name in enumerate(self.names):
            things = tuple(
                LabelledThing(track, label, (), partial(self._mask, masks[index], track, name))
                for track, label, masks in self._tracks
                if masks[index] is not None
            )
            path = None if folder is None else existing_file(folder / name)
            yield LabelledFrame(self.name, name.rpartition("/")[2].rpartition(".")[0], index, self.size, path, things)

    def _mask(self, segmentation: Any, track: str, name: str) -> npt.NDArray[np.bool_]:
        try:
            return decode_mask(segmentation, self.size)
        except ValueError as error:
            raise UserError(f"the mask of annotation {track} in {name} of {self.file} is broken: {error}") from error


def _checked_path(name: Any, file: Path) -> str:
    return "/".join(plain_name(part, file) for part in str(name).split("/"))


def _beside(file: Path) -> list[Path]:
    """Folders in which tools lay the images of a list."""
    near, above = file.parent, file.parent.parent
    subset = file.stem.removeprefix("instances_")
    places = (near / "images", near / "JPEGImages", near / "data", near, above / "images" / subset, above / "images")
    return [*places, above / "JPEGImages", above]


def _image_folder(names: Sequence[str], folders: Sequence[Path]) -> Path | None:
    """The folder that holds the first image that is there; None where none is there."""
    for name in names[:1] or []:
        for folder in folders:
            if existing_file(folder / name):
                return folder
    return next((folder for folder in folders if any(existing_file(folder / name) for name in names)), None)
