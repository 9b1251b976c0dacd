"""Ref-YouTube-VOS: YouTube-VOS 2019 with referring expressions.

```
<folder>/train/JPEGImages/<video>/<frame>.jpg
<folder>/train/Annotations/<video>/<frame>.png            palette images of object ids
<folder>/train/meta.json                                  {"videos": {video: {"objects": {id: {"category"}}}}}
<folder>/valid/JPEGImages/<video>/<frame>.jpg
<folder>/meta_expressions/{train,valid,test}/meta_expressions.json
```
The validation file also lists the 305 test videos. They are left out, as the test file lists them too; 202 videos
remain. Source: Seo et al., "URVOS: Unified Referring Video Object Segmentation Network with a Large-Scale Benchmark"
(ECCV 2020), and the data of its challenge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item, count_frames, try_to_read
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.sources.files import LAYOUT_ERRORS, read_json, whole_number
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_object_ids

__all__ = ["SPLITS", "RefYouTubeVOS", "check", "open_folder", "open_split"]

SPLITS = ("train", "valid")

VIDEOS = {"train": 3471, "valid": 202}
TEST_VIDEOS = 305
TRAIN_EXPRESSIONS = 12913
VALIDATION_FILE = (507, 2096)
"""Number of videos and of expressions in the validation file, with the test videos."""

SOURCE = (
    "get it from the referring video object segmentation challenge of youtube-vos.org (registration is needed)"
    " and unpack train.zip, valid.zip and meta_expressions.zip into this folder"
)


class RefYouTubeVOS(ReferringDataset):
    """Videos of a folder in the Ref-YouTube-VOS layout.

    Args:
        name: name of the data set.
        split: name of the split.
        reader: reader of the folder.
        videos: the reader's videos that belong to the split, in their order.
        objects: video name -> ids of its objects, if a file lists them. Objects that expressions name are added.
        annotated: whether every frame must have an annotation. If so, a missing file is an error; else a frame without
            the file has no true masks.
    """

    def __init__(
        self,
        name: str,
        split: str,
        reader: YTVOSDataset,
        videos: Iterable[VideoEntry],
        *,
        objects: Mapping[str, set[int]],
        annotated: bool,
    ) -> None:
        self.name, self.split = name, split
        self._reader, self._annotated = reader, annotated
        self.videos = [_referring_video(video) for video in videos]
        self._objects = {
            video.name: sorted(
                objects.get(video.name, set()) | {i for x in video.expressions for i in x.object_ids or ()}
            )
            for video in self.videos
        }

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        return self._reader.load_frame(video, frame)

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        path = self._reader.annotation_path(video, frame)
        if not self._annotated and not path.exists():
            return None
        ids = read_object_ids(path)
        return {i: ids == i for i in self._objects[video]}


def open_split(folder: Path, split: str, name: str) -> RefYouTubeVOS:
    """Open a split of the published data set. See `open_benchmark`."""
    reader = YTVOSDataset(folder / split)
    if split == "train":
        return RefYouTubeVOS(
            name, split, reader, reader.videos, objects=_listed_objects(folder / split / "meta.json"), annotated=True
        )
    test = _test_videos(folder)
    videos = [video for video in reader.videos if video.name not in test]
    if not videos:
        raise UserError(f"{reader.meta_file} has no video that the test videos' file does not list; fetch both again")
    return RefYouTubeVOS(name, split, reader, videos, objects={}, annotated=False)


def open_folder(folder: str | Path) -> RefYouTubeVOS:
    """Open any folder with `JPEGImages`, `Annotations` and `meta_expressions.json`; see `YTVOSDataset`.

    Raises:
        UserError: the folder or a file is missing, or a file does not follow the layout.
    """
    reader = YTVOSDataset(folder)
    annotated = (reader.folder / "Annotations").is_dir()
    return RefYouTubeVOS("ytvos-folder", reader.folder.name, reader, reader.videos, objects={}, annotated=annotated)


def check(folder: Path, name: str) -> list[CheckItem]:
    """Compare videos, expressions, frames and annotations with the official numbers. See `check_benchmark`."""
    return [*_check_train(folder, name), *_check_valid(folder, name)]


def _check_train(folder: Path, name: str) -> list[CheckItem]:
    videos, hint = try_to_read(lambda: open_split(folder, "train", name).videos, SOURCE)
    frames = sum(len(video.frames) for video in videos) or None
    has_objects = (folder / "train" / "meta.json").is_file()
    return [
        check_item("train videos", len(videos), VIDEOS["train"], hint),
        check_item("train expressions", _count_expressions(videos), TRAIN_EXPRESSIONS, SOURCE),
        check_item("train meta.json", int(has_objects), 1, SOURCE),
        check_item("train frames", count_frames(folder / "train" / "JPEGImages", videos, ".jpg"), frames, SOURCE),
        check_item("train annotations", count_frames(folder / "train" / "Annotations", videos, ".png"), frames, SOURCE),
    ]


def _check_valid(folder: Path, name: str) -> list[CheckItem]:
    listed, file_hint = try_to_read(lambda: YTVOSDataset(folder / "valid").videos, SOURCE)
    test, test_hint = try_to_read(lambda: sorted(_test_videos(folder)), SOURCE)
    videos, hint = try_to_read(lambda: open_split(folder, "valid", name).videos, SOURCE)
    frames = sum(len(video.frames) for video in videos) or None
    return [
        check_item("videos of the validation file", len(listed), VALIDATION_FILE[0], file_hint),
        check_item("expressions of the validation file", _count_expressions(listed), VALIDATION_FILE[1], file_hint),
        check_item("test videos to leave out", len(test), TEST_VIDEOS, test_hint),
        check_item("valid videos", len(videos), VIDEOS["valid"], hint),
        check_item("valid expressions", _count_expressions(videos), None, SOURCE),
        check_item("valid frames", count_frames(folder / "valid" / "JPEGImages", videos, ".jpg"), frames, SOURCE),
    ]


def _count_expressions(videos: Iterable[ReferringVideo | VideoEntry]) -> int:
    return sum(len(video.expressions) for video in videos)


def _test_videos(folder: Path) -> set[str]:
    test = folder / "meta_expressions" / "test"
    if not test.is_dir():
        raise UserError(f"no {test}: its meta_expressions.json says which videos are not of the validation split")
    return {video.name for video in YTVOSDataset(test).videos}


def _referring_video(video: VideoEntry) -> ReferringVideo:
    return ReferringVideo(
        video.name,
        video.frames,
        [ReferringExpression(x.id, x.text, None if x.object_id is None else (x.object_id,)) for x in video.expressions],
    )


def _listed_objects(file: Path) -> dict[str, set[int]]:
    content = read_json(file)
    try:
        return {name: {whole_number(i) for i in video["objects"]} for name, video in content["videos"].items()}
    except LAYOUT_ERRORS as error:
        raise UserError(f"{file} does not list the objects of each video; fetch it again") from error
