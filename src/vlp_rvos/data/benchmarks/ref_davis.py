"""Ref-DAVIS17: DAVIS 2017 with the referring expressions of four annotations.

```
<folder>/DAVIS/JPEGImages/480p/<video>/<frame>.jpg
<folder>/DAVIS/Annotations_unsupervised/480p/<video>/<frame>.png    or Annotations/480p; palette images of object ids
<folder>/DAVIS/ImageSets/2017/{train,val}.txt
<folder>/davis_text_annotations/Davis17_annot{1,2}{,_full_video}.txt   lines of: video object "expression"
```
Two annotators wrote two expressions for each object: one after seeing the first frame, one after seeing the full video.
Their four files are scored apart, and the scores are averaged. The second annotator's files are latin-1. Published
results are measured against `Annotations_unsupervised`, in which pixels of value 255 are void; so that folder takes
precedence. Sources: Khoreva et al., "Video Object Segmentation with Language Referring Expressions" (ACCV 2018);
Caelles et al., "The 2019 DAVIS Challenge on VOS" (2019).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item, count_frames, try_to_read
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.sources.files import check_videos, plain_name, warn_of_lost_expressions
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.media.image_files import is_black_and_white, read_object_ids, read_rgb, white_is_object
from vlp_rvos.utils.natural_order import natural_order
from vlp_rvos.utils.text_files import read_text

__all__ = ["ANNOTATORS", "SPLITS", "RefDavis", "check", "merge_objects", "open_split"]

SPLITS = ("train", "val")

ANNOTATORS = {"1": "utf-8", "1_full_video": "utf-8", "2": "latin-1", "2_full_video": "latin-1"}
"""Annotator, in the official order -> encoding of the annotator's file."""

TEXT_FOLDER = "davis_text_annotations"
VOID = 255
MAX_OBJECT_ID = 254
ANNOTATION_FOLDERS = ("Annotations_unsupervised", "Annotations")
VIDEOS = {"train": 60, "val": 30}
FRAMES = {"train": 4209, "val": 1999}
OBJECTS = {"train": 144, "val": 61}

# The files of expressions misspell the names of some videos.
MISSPELT = {"clasic-car": "classic-car", "dog-scale": "dogs-scale", "motor-bike": "motorbike"}

SOURCE = (
    "get DAVIS-2017-Unsupervised-trainval-480p.zip from davischallenge.org and davis_text_annotations.zip from the page"
    " 'Video Object Segmentation with Language Referring Expressions' of the Max Planck Institute for Informatics,"
    " and unpack both into this folder"
)


class RefDavis(ReferringDataset):
    """A split of Ref-DAVIS17. Every expression has an annotator, one of `ANNOTATORS`.

    Args:
        folder: folder that holds `DAVIS` and `davis_text_annotations`.
        split: "train" or "val".
        name: name of the data set.

    Attributes:
        annotations: folder of the images of object ids.

    Raises:
        UserError: a file or folder is missing, or does not follow the layout.
    """

    def __init__(self, folder: Path, split: str, name: str) -> None:
        self.name, self.split = name, split
        self._images = folder / "DAVIS" / "JPEGImages" / "480p"
        self.annotations = _annotation_folder(folder)
        expressions = _read_expressions(folder)
        self.videos = [
            ReferringVideo(video, _frames(self._images / video), _of_video(expressions, video))
            for video in _video_names(folder, split)
        ]
        texts = folder / TEXT_FOLDER
        check_videos(self.videos, texts)
        # Without one of the lists, nobody knows which videos the other expressions are about.
        if all(_video_list(folder, other).is_file() for other in SPLITS):
            known = {video for other in SPLITS for video in _video_names(folder, other)}
            warn_of_lost_expressions({video: x for video, x in expressions.items() if video not in known}, texts)
        self._first = {video.name: video.frames[0] for video in self.videos}
        self._described = {v.name: {i for x in v.expressions for i in x.object_ids or ()} for v in self.videos}
        self._objects: dict[str, range] = {}
        self._white: dict[str, bool] = {}

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        return read_rgb(self._images / video / f"{frame}.jpg")

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]]:
        ids = self._load_ids(video, frame)
        return {i: ids == i for i in self._object_ids(video)}

    def load_void(self, video: str, frame: str) -> NDArray[np.bool_]:
        """Pixels that the official evaluation leaves out of every score, (H, W) bool.

        Raises:
            UserError: the file is missing or unreadable.
        """
        void: NDArray[np.bool_] = self._load_ids(video, frame) == VOID
        return void

    def _load_ids(self, video: str, frame: str) -> NDArray[np.uint8]:
        if video not in self._white:
            first = self.annotations / video / f"{self._first[video]}.png"
            self._white[video] = white_is_object(first)
            if is_black_and_white(first):
                message = (
                    f"{first} holds only 0 and 255: in the annotations of this video, 255 is object 1 and not void"
                )
                warnings.warn(message, VLPRVOSWarning, stacklevel=4)
        return read_object_ids(self.annotations / video / f"{frame}.png", white_is_object=self._white[video])

    def _object_ids(self, video: str) -> range:
        """Ids of the objects of a video: all ids up to the largest one in the first frame, as in the official code."""
        if video not in self._objects:
            ids = self._load_ids(video, self._first[video])
            self._objects[video] = range(1, 1 + int(ids[ids != VOID].max(initial=0)))
            if lost := sorted(self._described[video].difference(self._objects[video])):
                message = (
                    f"{self.annotations / video}: the first frame has {len(self._objects[video])} objects, so"
                    f" expressions of object {', '.join(map(str, lost))} are not scored"
                )
                warnings.warn(message, VLPRVOSWarning, stacklevel=3)
        return self._objects[video]


def open_split(folder: Path, split: str, name: str) -> RefDavis:
    """Open a split. See `open_benchmark`."""
    return RefDavis(folder, split, name)


def merge_objects(scores: NDArray[np.floating], object_ids: Sequence[int], threshold: float = 0.5) -> NDArray[np.uint8]:
    """Merge the predictions of O objects into one image of object ids; the largest score of a pixel decides.

    Args:
        scores: (O, H, W) score of each object at each pixel.
        object_ids: id of each object, from 1 to 254.
        threshold: smallest score that counts.

    Returns:
        (H, W) uint8 object ids; 0, the background, where no score reaches the threshold. Of equal scores the first
        one wins.

    Raises:
        ValueError: there are no objects, the number of ids differs, or a palette image cannot hold an id.
    """
    if scores.ndim != 3 or len(scores) == 0 or len(object_ids) != len(scores):
        raise ValueError(f"expected (O, H, W) scores with O ids, not {scores.shape} with {len(object_ids)}")
    if not all(1 <= i <= MAX_OBJECT_ID for i in object_ids):
        raise ValueError(f"object ids go from 1 to {MAX_OBJECT_ID}, not {list(object_ids)}")
    ids = np.asarray(object_ids, np.uint8)[scores.argmax(axis=0)]
    return np.where(scores.max(axis=0) >= threshold, ids, np.uint8(0))


def check(folder: Path, name: str) -> list[CheckItem]:
    """Compare videos, expressions, frames and annotations with the official numbers. See `check_benchmark`."""
    texts = sum(_text_file(folder, annotator).is_file() for annotator in ANNOTATORS)
    items = [check_item("text annotations", texts, len(ANNOTATORS), SOURCE)]
    for split in SPLITS:
        opened, hint = try_to_read(partial(_opened, folder, split, name), SOURCE)
        videos = [video for dataset in opened for video in dataset.videos]
        objects = {(video.name, x.object_ids) for video in videos for x in video.expressions}
        expressions = sum(len(video.expressions) for video in videos)
        annotations = sum(count_frames(dataset.annotations, dataset.videos, ".png") for dataset in opened)
        items += [
            check_item(f"{split} videos", len(videos), VIDEOS[split], hint),
            check_item(f"{split} objects", len(objects), OBJECTS[split], SOURCE),
            # Every annotator wrote one expression for every object.
            check_item(f"{split} expressions", expressions, len(ANNOTATORS) * OBJECTS[split], SOURCE),
            check_item(f"{split} frames", sum(len(video.frames) for video in videos), FRAMES[split], SOURCE),
            check_item(f"{split} annotations", annotations, FRAMES[split], SOURCE),
        ]
    return items


def _opened(folder: Path, split: str, name: str) -> list[RefDavis]:
    return [open_split(folder, split, name)]


def _annotation_folder(folder: Path) -> Path:
    choices = [folder / "DAVIS" / kind / "480p" for kind in ANNOTATION_FOLDERS]
    for choice in choices:
        if choice.is_dir():
            return choice
    raise UserError(f"no annotations: neither {choices[0]} nor {choices[1]} is there")


def _video_names(folder: Path, split: str) -> list[str]:
    file = _video_list(folder, split)
    names = [plain_name(line, file) for line in _lines(file, "utf-8")]
    if not names:
        raise UserError(f"{file} lists no videos; fetch it again")
    return names


def _video_list(folder: Path, split: str) -> Path:
    return folder / "DAVIS" / "ImageSets" / "2017" / f"{split}.txt"


def _frames(folder: Path) -> list[str]:
    names = (file.stem for file in folder.glob("*.jpg") if not file.name.startswith("."))
    frames = sorted(names, key=natural_order)
    if not frames:
        raise UserError(f"no frames in {folder}; unpack DAVIS again")
    return frames


def _read_expressions(folder: Path) -> dict[str, list[tuple[int, str, str]]]:
    """Video -> object id, annotator and text of every expression about it."""
    videos: dict[str, list[tuple[int, str, str]]] = {}
    for annotator, encoding in ANNOTATORS.items():
        file = _text_file(folder, annotator)
        for line in _lines(file, encoding):
            video, number, text = (*line.split(maxsplit=2), "", "")[:3]
            text = text.removeprefix('"').removesuffix('"').strip()
            if not text or not number.isascii() or not number.isdigit() or not 1 <= int(number) <= MAX_OBJECT_ID:
                raise UserError(f'{file} has the line {line[:80]!r}; lines are: video object "expression"')
            video = plain_name(MISSPELT.get(video, video), file)
            videos.setdefault(video, []).append((int(number), annotator, text))
    return videos


def _of_video(expressions: dict[str, list[tuple[int, str, str]]], video: str) -> list[ReferringExpression]:
    """The expressions of a video by object, with the ids that the usual conversion to Ref-YouTube-VOS gives them."""
    ordered = sorted(expressions.get(video, []), key=lambda entry: entry[0])
    return [ReferringExpression(str(i), text, (n,), annotator) for i, (n, annotator, text) in enumerate(ordered)]


def _text_file(folder: Path, annotator: str) -> Path:
    return folder / TEXT_FOLDER / f"Davis17_annot{annotator}.txt"


def _lines(file: Path, encoding: str) -> Iterator[str]:
    """Lines of a file without the white space around them; empty lines are left out."""
    try:
        content = read_text(file, encoding)
    except FileNotFoundError:
        raise UserError(f"no such file: {file}") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file}: {error}") from error
    # `splitlines` would also split at letters of latin-1 that are line breaks in Unicode.
    return (line.strip() for line in content.split("\n") if line.strip())
