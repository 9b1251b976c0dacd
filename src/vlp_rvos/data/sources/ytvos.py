"""Reader of the Ref-YouTube-VOS layout: videos as folders of frames, expressions in one JSON file.

```
<folder>/JPEGImages/<video>/<frame>.jpg     RGB frames
<folder>/Annotations/<video>/<frame>.png    palette images of object ids; 0 is background (absent in test sets)
<folder>/meta_expressions.json              {"videos": {video: {"expressions": {id: {"exp", "obj_id"}}, "frames": []}}}
```
The published data set keeps the JSON file at `meta_expressions/<split>/meta_expressions.json` beside `<split>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.arrays import Image
from vlp_rvos.data.sources.files import check_videos, existing_folder, plain_name, read_json
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import MAX_OBJECT_ID, read_object_ids, read_rgb, stored_size

__all__ = ["Expression", "VideoEntry", "YTVOSDataset", "check_sizes"]

META = "meta_expressions.json"


@dataclass(frozen=True, slots=True)
class Expression:
    """One referring expression of a video.

    Attributes:
        id: Id of the expression, unique in its video.
        text: The expression itself.
        object_id: Id of the object that the expression refers to, as the annotations number it, 1 to 255; None where
            the data set does not tell.
        kind: What kind of expression this is, where the data set says so in a field `kind`.
    """

    id: str
    text: str
    object_id: int | None
    kind: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether something can be learned from it: it names its object, and has a letter that can be read."""
        readable = any(letter.isprintable() and not letter.isspace() for letter in self.text)
        return self.object_id is not None and readable


@dataclass(frozen=True, slots=True)
class VideoEntry:
    """One video of the list.

    Attributes:
        name: Name of the video and of its folders.
        frames: Names of the frames in their order, without suffix.
        expressions: The referring expressions about the video.
    """

    name: str
    frames: list[str]
    expressions: list[Expression]


class YTVOSDataset:
    """A folder in the Ref-YouTube-VOS layout. Opening it reads the JSON file; images are read when they are asked for.

    Args:
        folder: A split's folder, with `meta_expressions.json` in it or in the published place; or the root of a
            published data set that has only one split.
        images: A folder whose `JPEGImages` are used instead, for annotations that share the frames of another split.

    Attributes:
        videos: The videos in the order of the file.

    Raises:
        UserError: There is no such folder or file, or the file does not follow the layout.

    Example:
        >>> dataset = YTVOSDataset("davis/val")                                    # doctest: +SKIP
        >>> video = dataset.videos[0]                                              # doctest: +SKIP
        >>> frame = dataset.load_frame(video.name, video.frames[0])                # doctest: +SKIP
    """

    def __init__(self, folder: str | Path, images: str | Path | None = None) -> None:
        self.folder, self.meta_file = _locate(Path(folder))
        self.images = self.folder if images is None else Path(images)
        self.videos: list[VideoEntry] = _read_meta(self.meta_file)
        check_videos(self.videos, self.meta_file)

    def frame_path(self, video: str, frame: str) -> Path:
        """Path of a frame's image file."""
        return self.images / "JPEGImages" / video / f"{frame}.jpg"

    def annotation_path(self, video: str, frame: str) -> Path:
        """Path of a frame's image of object ids."""
        return self.folder / "Annotations" / video / f"{frame}.png"

    def load_frame(self, video: str, frame: str) -> Image:
        """Read the pixels of a frame.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            UserError: The file is missing or broken.
        """
        return read_rgb(self.frame_path(video, frame))

    def load_ids(self, video: str, frame: str) -> NDArray[np.uint8]:
        """Read the object ids of a frame.

        Returns:
            (H, W) uint8; 0 is background.

        Raises:
            UserError: The file is missing or broken, is not an image of object ids, or has another size than the frame.
        """
        file, picture = self.annotation_path(video, frame), self.frame_path(video, frame)
        ids = read_object_ids(file)
        # Annotations may be looked at without the frames.
        if picture.is_file() and (size := stored_size(picture)) != ids.shape:
            sizes = f"{ids.shape[1]}x{ids.shape[0]}, but its frame {picture} is {size[1]}x{size[0]}"
            raise UserError(f"{file} is {sizes}: make them one size")
        return ids

    def load_mask(self, video: str, frame: str, object_id: int) -> NDArray[np.bool_]:
        """Read the mask of one object in a frame.

        Args:
            video: Name of the video.
            frame: Name of the frame.
            object_id: Id of the object, 1 to 255.

        Returns:
            (H, W) bool; all False where the object is not in the frame.

        Raises:
            UserError: See `load_ids`.
            ValueError: No object can have this id.
        """
        if not 1 <= object_id <= MAX_OBJECT_ID:
            raise ValueError(f"object ids go from 1 to {MAX_OBJECT_ID}, not {object_id}")
        mask: NDArray[np.bool_] = self.load_ids(video, frame) == object_id
        return mask


def check_sizes(frames: Sequence[NDArray[np.uint8]], names: Sequence[str], video: str) -> None:
    """Check that the frames of a video, or their object ids, have one size.

    Args:
        frames: What was loaded, each (H, W) or (H, W, C).
        names: Names of the frames.
        video: Name of the video.

    Raises:
        UserError: A frame has another size than the first one.
    """
    for frame, name in zip(frames, names, strict=True):
        if frame.shape[:2] != frames[0].shape[:2]:
            sizes = (f"{x.shape[1]}x{x.shape[0]}" for x in (frame, frames[0]))
            raise UserError(
                f"frame {name} of video {video} is {next(sizes)}, but {names[0]} is {next(sizes)}: make them one size"
            )


def _locate(folder: Path) -> tuple[Path, Path]:
    """Find the folder of the split and its `meta_expressions.json`."""
    existing_folder(folder)
    if (folder / META).is_file():
        # Someone may point at the published place of the file instead of at the split.
        split = folder.parent.parent / folder.name
        is_published_place = folder.parent.name == "meta_expressions" and split.is_dir()
        return (split if is_published_place else folder), folder / META
    published = folder.resolve().parent / "meta_expressions" / folder.resolve().name / META
    if published.is_file():
        return folder, published
    splits = sorted(file.parent.name for file in folder.glob(f"meta_expressions/*/{META}"))
    splits = [split for split in splits if (folder / split).is_dir()]
    if len(splits) == 1:
        return folder / splits[0], folder / "meta_expressions" / splits[0] / META
    if splits:
        raise UserError(
            f"{folder} has several splits; name one of {', '.join(str(folder / split) for split in splits)}"
        )
    raise UserError(f"no {META} in {folder}; a Ref-YouTube-VOS folder has it beside JPEGImages and Annotations")


def _read_meta(file: Path) -> list[VideoEntry]:
    content = read_json(file)
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        raise UserError(f"{file} has no mapping 'videos'; it does not follow the Ref-YouTube-VOS layout")
    return [_read_video(name, video, file) for name, video in videos.items()]


def _read_video(name: str, video: Any, file: Path) -> VideoEntry:
    plain_name(name, file)
    frames = video.get("frames") if isinstance(video, dict) else None
    expressions = video.get("expressions") if isinstance(video, dict) else None
    if not isinstance(frames, list) or not frames:
        raise UserError(f"{file}: video '{name}' has no list 'frames'")
    if not isinstance(expressions, dict):
        raise UserError(f"{file}: video '{name}' has no mapping 'expressions'")
    for frame in frames:
        plain_name(frame, file)
    if len(set(frames)) != len(frames):
        raise UserError(f"{file}: video '{name}' lists a frame twice")
    return VideoEntry(name, frames, [_read_expression(key, entry, name, file) for key, entry in expressions.items()])


def _read_expression(key: str, entry: Any, video: str, file: Path) -> Expression:
    plain_name(key, file)
    where = f"{file}: expression '{key}' of video '{video}'"
    if not isinstance(entry, dict) or not isinstance(entry.get("exp"), str):
        raise UserError(f"{where} has no text 'exp'")
    kind = entry.get("kind")
    if kind is not None and not isinstance(kind, str):
        raise UserError(f"{where} has a 'kind' that is not text")
    return Expression(key, entry["exp"], _read_object_id(entry.get("obj_id"), where), kind)


def _read_object_id(value: Any, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, int | str) and not isinstance(value, bool):
        try:
            number = int(value)
        except ValueError:
            number = 0
        if 1 <= number <= MAX_OBJECT_ID:
            return number
    raise UserError(f"{where} has the obj_id {value!r}; it must be a number from 1 to {MAX_OBJECT_ID}")
