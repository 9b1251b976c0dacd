"""A2D-Sentences: actors and their actions, a few annotated frames in every video.

```
<folder>/Release/videoset.csv                 name, label, start, end, height, width, frames, annotated frames, usage
                                              (0 train, 1 test); no header
<folder>/Release/clips320H/<video>.mp4
<folder>/text_annotations/a2d_annotation.txt  video_id,instance_id,query, with a header; further columns are not read
<folder>/text_annotations/a2d_missed_videos.txt   videos to leave out, one a line
<folder>/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5
```
The last three may also be in `<folder>` itself. A frame's file is called by its number, from 1. It holds `instance`,
the ids of the instances in the frame (from 0), `reMask`, (N, W, H): MATLAB's order, and without N where there is one
instance, and `reBBox`, which is not needed. Source: Gavrilyuk et al., "Actor and Action Video Segmentation from a
Sentence" (CVPR 2018), on the videos of Xu et al., "Can Humans Fly?" (CVPR 2015).

What the protocol scores are the pairs of a sentence and an annotated frame in which its instance is. The published
files have four peculiarities, handled as in the evaluation code that the field shares (MTTR, CVPR 2022): one sentence
has the instance "1 (copy)" and is left out; one frame lists an id twice, and the first counts; three frames have more
masks than ids, and the first masks count; clips shorter than their number of frames repeat their last frame.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.counting import attempt, check_item
from vlp_rvos.data.benchmarks.referring_dataset import CheckItem, ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.benchmarks.tables import read_table
from vlp_rvos.data.sources.files import plain_name
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import VideoFrame
from vlp_rvos.utils.extras import import_optional

__all__ = ["SPLITS", "A2DSentences", "check", "open_split"]

SPLITS = ("train", "test")

USED_VIDEOS = {"train": 3017, "test": 737}
LISTED_VIDEOS, MISSED_VIDEOS, SENTENCES = 3782, 28, 6655

SENTENCES_FILE = "a2d_annotation.txt"
MISSED_FILE = "a2d_missed_videos.txt"
MASKS_FOLDER = "a2d_annotation_with_instances"
SENTENCES_HEADER = ("video_id", "instance_id", "query")
COPIED_INSTANCE = "1 (copy)"

RECENT_FRAMES = 32
"""Kept of the clip that is being read (17 MB), so that small steps back do not start it again."""

VIDEOS_SOURCE = "get A2D_main_1_0 from the project page of A2D (web.eecs.umich.edu/~jjcorso/r/a2d)"
SENTENCES_SOURCE = (
    "get it from the project page of A2D-Sentences (kgavrilyuk.github.io/publication/actor_action)"
    " into text_annotations/"
)


class A2DSentences(ReferringDataset):
    """A split of A2D-Sentences. One clip at a time is open, and read forwards: ask for frames in their order.

    A video's frames are called "00001", "00002", ... Objects are known by the published instance ids, from 0. Masks
    keep their published size, which is the clip's but for rounding: the protocol scores at the size of the masks.
    To be used by one thread at a time; copies in other processes open their own clips.

    Args:
        folder: root of the data set.
        split: "train" or "test".
        name: how the data set calls itself.

    Raises:
        UserError: a file is missing or does not follow the layout.
    """

    def __init__(self, folder: Path, split: str, name: str) -> None:
        self.name, self.split = name, split
        self._folder = folder
        text = _text_folder(folder)
        self._masks = text / MASKS_FOLDER
        if not self._masks.is_dir():
            raise UserError(f"no instance masks at {self._masks}; {SENTENCES_SOURCE}")
        missed = _missed(text / MISSED_FILE)
        sentences = _sentences(text / SENTENCES_FILE)
        listed = [video for video in _listed(folder) if video.split == split and video.name not in missed]
        listed = [video for video in listed if video.name in sentences]
        self._annotated = {video.name: _annotated_frames(self._masks / video.name) for video in listed}
        without = [video for video, frames in self._annotated.items() if not frames]
        if without:
            warnings.warn(
                VLPRVOSWarning(f"{len(without)} videos have no instance masks in {self._masks} (first: {without[0]})"),
                stacklevel=3,
            )
        lengths = [max(video.frames, *self._annotated[video.name], 1) for video in listed]
        # One text a number, shared by all videos.
        names = [_frame_name(number) for number in range(1, max(lengths, default=0) + 1)]
        self.videos = [
            ReferringVideo(video.name, names[:length], sentences[video.name])
            for video, length in zip(listed, lengths, strict=True)
        ]
        self._clip: _Clip | None = None

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        return self._open(video).frame(int(frame) - 1)

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        """Instance id -> mask (H, W) of the instances in a frame; None where the frame has no annotation.

        Raises:
            UserError: the file is broken, or its masks are not transposed as the published ones are.
        """
        if int(frame) not in self._annotated[video]:
            return None
        file = self._masks / video / f"{_frame_name(int(frame))}.h5"
        objects = _read_instances(file)
        height, width = self._open(video).size
        for mask in objects.values():
            rows, columns = mask.shape
            if abs(rows - height) + abs(columns - width) > abs(rows - width) + abs(columns - height):
                raise UserError(
                    f"the masks of {file} are stored as {columns}x{rows} for a clip of {width}x{height}: the published"
                    " files store W x H; unpack them again"
                )
        return objects

    def load_mask(self, video: str, frame: str, expression: ReferringExpression) -> NDArray[np.bool_] | None:
        """What the expression refers to (H, W); None also in a frame without it, which the protocol leaves out."""
        objects = self.load_objects(video, frame)
        there = [objects[key] for key in expression.object_ids or () if key in objects] if objects else []
        return np.logical_or.reduce(there) if there else None

    def _open(self, video: str) -> _Clip:
        path = _clip_path(self._folder, video)
        if self._clip is None or self._clip.path != path:
            self._clip = _Clip(path)
        return self._clip

    def __getstate__(self) -> dict[str, Any]:
        # Decoders cannot go to another process.
        return {**self.__dict__, "_clip": None}


class _Clip:
    """A video file of which single frames are asked for, mostly in their order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._source = open_video(path)
        # Decoding ahead needs a thread, which would wait as long as this object lives.
        self._source.prefetch_depth = 0
        self.size = self._source.info.height, self._source.info.width
        self._start()

    def _start(self) -> None:
        self._frames: Iterator[VideoFrame] = iter(self._source)
        self._recent: deque[VideoFrame] = deque(maxlen=RECENT_FRAMES)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """The frame (H, W, 3) at an index from 0; the last one for an index behind the end."""
        if self._recent and self._recent[0].index > index:
            self._start()
        while not self._recent or self._recent[-1].index < index:
            frame = next(self._frames, None)
            if frame is not None:
                self._recent.append(frame)
            elif self._source.problem:
                raise UserError(f"{self.path} has no frame {index + 1}: {self._source.problem}; download it again")
            else:
                return self._recent[-1].image.copy()
        return next(frame.image.copy() for frame in self._recent if frame.index == index)


def open_split(folder: Path, split: str, name: str) -> A2DSentences:
    """Open a split; see `A2DSentences`."""
    return A2DSentences(folder, split, name)


def check(folder: Path, name: str) -> list[CheckItem]:
    """Count lists, clips and masks against the official numbers."""
    text = _text_folder(folder)
    listed, listed_hint = attempt(lambda: _listed(folder), VIDEOS_SOURCE)
    missed, missed_hint = attempt(lambda: list(_missed(text / MISSED_FILE)), SENTENCES_SOURCE)
    sentences, sentences_hint = attempt(lambda: _sentence_rows(text / SENTENCES_FILE), SENTENCES_SOURCE)
    used = [video for video in listed if video.name not in missed]
    total = sum(USED_VIDEOS.values())
    clips = sum(_clip_path(folder, video.name).is_file() for video in used)
    masks = [text / MASKS_FOLDER / video.name for video in used]
    return [
        check_item("videos (Release/videoset.csv)", len(listed), LISTED_VIDEOS, listed_hint),
        check_item(f"videos left out ({MISSED_FILE})", len(missed), MISSED_VIDEOS, missed_hint),
        check_item(f"sentences ({SENTENCES_FILE})", len(sentences), SENTENCES, sentences_hint),
        *(
            check_item(f"{split} videos", sum(video.split == split for video in used), USED_VIDEOS[split], listed_hint)
            for split in SPLITS
        ),
        check_item("clips (Release/clips320H)", clips, total, VIDEOS_SOURCE),
        check_item(f"videos with masks ({MASKS_FOLDER})", sum(x.is_dir() for x in masks), total, SENTENCES_SOURCE),
        check_item("annotated frames", sum(len(_annotated_frames(x)) for x in masks), None, SENTENCES_SOURCE),
    ]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A row of `videoset.csv`."""

    name: str
    frames: int
    split: str


def _listed(folder: Path) -> list[_Listed]:
    file = folder / "Release" / "videoset.csv"
    videos = []
    for row in read_table(file, 9):
        name, frames, usage = plain_name(row[0], file), row[6].strip(), row[8].strip()
        if not frames.isdecimal() or usage not in {"0", "1"}:
            raise UserError(
                f"{file}: video '{name}' must have a number of frames and a usage 0 or 1; download it again"
            )
        videos.append(_Listed(name, int(frames), SPLITS[int(usage)]))
    return videos


def _missed(file: Path) -> set[str]:
    return {row[0].strip() for row in read_table(file, 1)}


def _sentence_rows(file: Path) -> list[list[str]]:
    return read_table(file, len(SENTENCES_HEADER), SENTENCES_HEADER)


def _sentences(file: Path) -> dict[str, list[ReferringExpression]]:
    """Video -> its sentences; an expression's id is its instance's."""
    sentences: dict[str, dict[str, ReferringExpression]] = {}
    for video, instance, query in _sentence_rows(file):
        if instance == COPIED_INSTANCE:
            continue
        if not instance.isdecimal():
            raise UserError(f"{file}: video '{video}' has the instance {instance!r}, which is no number")
        ours = sentences.setdefault(plain_name(video, file), {})
        if instance in ours:
            raise UserError(f"{file}: video '{video}' has two sentences for instance {instance}")
        ours[instance] = ReferringExpression(instance, " ".join(query.split()), (int(instance),))
    return {video: list(ours.values()) for video, ours in sentences.items()}


def _read_instances(file: Path) -> dict[int, NDArray[np.bool_]]:
    h5py = import_optional("h5py", extra="benchmarks")
    try:
        with h5py.File(file, "r") as content:
            ids = np.ravel(content["instance"][()]).tolist()
            stored = np.asarray(content["reMask"][()])
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(f"cannot read the masks of {file}: {error}; unpack it again") from error
    if stored.ndim == 2:
        stored = stored[None]
    if stored.ndim != 3 or len(stored) < len(ids):
        raise UserError(f"{file} has {len(ids)} instances, but masks of shape {stored.shape}; unpack it again")
    objects: dict[int, NDArray[np.bool_]] = {}
    for instance, mask in zip(ids, stored, strict=False):
        objects.setdefault(int(instance), np.ascontiguousarray(mask.T != 0))
    return objects


def _annotated_frames(folder: Path) -> frozenset[int]:
    """Numbers of the frames that have a file of masks."""
    try:
        return frozenset(int(file.stem) for file in folder.iterdir() if file.suffix == ".h5" and file.stem.isdecimal())
    except OSError:
        return frozenset()


def _text_folder(folder: Path) -> Path:
    return folder if (folder / SENTENCES_FILE).is_file() else folder / "text_annotations"


def _clip_path(folder: Path, video: str) -> Path:
    return folder / "Release" / "clips320H" / f"{video}.mp4"


def _frame_name(number: int) -> str:
    return f"{number:05d}"
