"""A2D-Sentences: sentences about actors and their actions; every video has a few annotated frames.

```
<folder>/Release/videoset.csv                 name, label, start, end, height, width, frames, annotated frames, usage
                                              (0 train, 1 test); no header
<folder>/Release/clips320H/<video>.mp4
<folder>/text_annotations/a2d_annotation.txt  video_id,instance_id,query, with a header; further columns are not read
<folder>/text_annotations/a2d_missed_videos.txt   videos to leave out, one in a line
<folder>/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5
```
The last three may also lie in `<folder>` itself. A frame's file is named by the number of the frame, from 1. It holds
three arrays: `instance`, the ids of the instances in the frame, from 0; `reMask`, their masks in MATLAB's order
(N, W, H), without N if there is one instance; and `reBBox`, which is not needed. Source: Gavrilyuk et al., "Actor and
Action Video Segmentation from a Sentence" (CVPR 2018), on the videos of Xu et al., "Can Humans Fly?" (CVPR 2015).

The protocol scores every sentence in every annotated frame that shows its instance. The published files have four
peculiarities. They are handled as in the evaluation code that the field shares (MTTR, CVPR 2022):

- One sentence has the instance "1 (copy)"; it is left out.
- One frame lists an id twice; the first one counts.
- Three frames have more masks than ids; the first masks count.
- Some clips are shorter than their number of frames; the last frame is repeated.
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

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item, try_to_read
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.benchmarks.tables import read_table
from vlp_rvos.data.sources.files import LAYOUT_ERRORS, check_videos, plain_name, warn_of_lost_expressions, whole_number
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
"""Number of frames to keep of the clip that is being read (17 MB), so that small steps back need no new start."""

VIDEOS_SOURCE = "get A2D_main_1_0 from the project page of A2D (web.eecs.umich.edu/~jjcorso/r/a2d)"
SENTENCES_SOURCE = (
    "get it from the project page of A2D-Sentences (kgavrilyuk.github.io/publication/actor_action)"
    " into text_annotations/"
)


class A2DSentences(ReferringDataset):
    """A split of A2D-Sentences.

    The frames of a video are named "00001", "00002", ... Object ids are the published instance ids, from 0. Masks keep
    their published size, at which the protocol scores; it differs from the size of the clip by rounding. One clip at a
    time is open and is read forwards, so it is fastest to ask for frames in their order. Only one thread at a time may
    use the data set. Copies in other processes open their own clips.

    Args:
        folder: root of the data set.
        split: "train" or "test".
        name: name of the data set.

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
        missed = _missed_videos(text / MISSED_FILE)
        sentences = _sentences(text / SENTENCES_FILE)
        all_listed = _listed_videos(folder)
        known = {video.name for video in all_listed} | missed
        warn_of_lost_expressions({x: said for x, said in sentences.items() if x not in known}, text / SENTENCES_FILE)
        listed = [video for video in all_listed if video.split == split and video.name not in missed]
        check_videos((ReferringVideo(x.name, (), sentences.get(x.name, ())) for x in listed), text / SENTENCES_FILE)
        listed = [video for video in listed if video.name in sentences]
        self._annotated = {video.name: _annotated_frames(self._masks / video.name) for video in listed}
        without = [video for video, frames in self._annotated.items() if not frames]
        if without:
            warnings.warn(
                VLPRVOSWarning(f"{len(without)} videos have no instance masks in {self._masks} (first: {without[0]})"),
                stacklevel=3,
            )
        lengths = [max(video.frames, *self._annotated[video.name], 1) for video in listed]
        # All videos share the texts of the names.
        names = [_frame_name(number) for number in range(1, max(lengths, default=0) + 1)]
        self.videos = [
            ReferringVideo(video.name, names[:length], sentences[video.name])
            for video, length in zip(listed, lengths, strict=True)
        ]
        self._clip: _Clip | None = None

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        return self._open(video).frame(int(frame) - 1)

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        """Instance id -> mask (H, W) of the instances in a frame; None if the frame has no annotation.

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
        """Mask (H, W) of what the expression refers to; None if the frame does not show it, and so is not scored."""
        objects = self.load_objects(video, frame)
        annotated = [objects[key] for key in expression.object_ids or () if key in objects] if objects else []
        return np.logical_or.reduce(annotated) if annotated else None

    def _open(self, video: str) -> _Clip:
        path = _clip_path(self._folder, video)
        if self._clip is None or self._clip.path != path:
            self._clip = _Clip(path)
        return self._clip

    def __getstate__(self) -> dict[str, Any]:
        # A decoder cannot be sent to another process.
        return {**self.__dict__, "_clip": None}


class _Clip:
    """A video file that gives single frames, fastest in their order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._source = open_video(path)
        # Prefetching needs a thread, which would wait as long as this object lives.
        self._source.prefetch_depth = 0
        self.size = self._source.info.height, self._source.info.width
        self._start()

    def _start(self) -> None:
        self._frames: Iterator[VideoFrame] = iter(self._source)
        self._recent: deque[VideoFrame] = deque(maxlen=RECENT_FRAMES)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """The frame (H, W, 3) at an index from 0; the last frame if the index is behind the end."""
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
    """Open a split. See `A2DSentences`."""
    return A2DSentences(folder, split, name)


def check(folder: Path, name: str) -> list[CheckItem]:
    """Compare lists, clips and masks with the official numbers. See `check_benchmark`."""
    text = _text_folder(folder)
    listed, listed_hint = try_to_read(lambda: _listed_videos(folder), VIDEOS_SOURCE)
    missed, missed_hint = try_to_read(lambda: list(_missed_videos(text / MISSED_FILE)), SENTENCES_SOURCE)
    sentences, sentences_hint = try_to_read(lambda: _sentence_rows(text / SENTENCES_FILE), SENTENCES_SOURCE)
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
class _ListedVideo:
    """A row of `videoset.csv`."""

    name: str
    frames: int
    split: str


def _listed_videos(folder: Path) -> list[_ListedVideo]:
    file = folder / "Release" / "videoset.csv"
    videos = []
    for row in read_table(file, 9):
        name, frames, usage = plain_name(row[0], file), row[6].strip(), row[8].strip()
        if not frames.isdecimal() or usage not in {"0", "1"}:
            raise UserError(
                f"{file}: video '{name}' must have a number of frames and a usage 0 or 1; download it again"
            )
        videos.append(_ListedVideo(name, int(frames), SPLITS[int(usage)]))
    return videos


def _missed_videos(file: Path) -> set[str]:
    return {row[0].strip() for row in read_table(file, 1)}


def _sentence_rows(file: Path) -> list[list[str]]:
    return read_table(file, len(SENTENCES_HEADER), SENTENCES_HEADER)


def _sentences(file: Path) -> dict[str, list[ReferringExpression]]:
    """Video -> its sentences; the id of an expression is that of its instance."""
    sentences: dict[str, dict[str, ReferringExpression]] = {}
    for video, instance, query in _sentence_rows(file):
        if instance == COPIED_INSTANCE:
            continue
        if not instance.isdecimal():
            raise UserError(f"{file}: video '{video}' has the instance {instance!r}, which is not a number")
        by_instance = sentences.setdefault(plain_name(video, file), {})
        if instance in by_instance:
            raise UserError(f"{file}: video '{video}' has two sentences for instance {instance}")
        by_instance[instance] = ReferringExpression(instance, " ".join(query.split()), (int(instance),))
    return {video: list(by_instance.values()) for video, by_instance in sentences.items()}


def _read_instances(file: Path) -> dict[int, NDArray[np.bool_]]:
    h5py = import_optional("h5py", extra="benchmarks")
    try:
        with h5py.File(file, "r") as content:
            ids = [whole_number(i) for i in np.ravel(content["instance"][()]).tolist()]
            stored = np.asarray(content["reMask"][()])
    except (*LAYOUT_ERRORS, OSError, RuntimeError) as error:
        raise UserError(f"cannot read the masks of {file}: {error}; unpack it again") from error
    if stored.ndim == 2:
        stored = stored[None]
    if stored.ndim != 3 or len(stored) < len(ids):
        raise UserError(f"{file} has {len(ids)} instances, but masks of shape {stored.shape}; unpack it again")
    objects: dict[int, NDArray[np.bool_]] = {}
    for instance, mask in zip(ids, stored, strict=False):
        objects.setdefault(instance, np.ascontiguousarray(mask.T != 0))
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
