"""Looks for data sets in a folder of the user's: folders in the layouts of Ref-YouTube-VOS and of COCO."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.ytvos import META, YTVOSDataset
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.progress import announced

__all__ = ["DataSets", "FoundDataSet", "check_folder", "find_data_sets"]

MAX_DEPTH = 3
"""Depth down to which data sets are looked for, counted from the folder itself."""

_LAYOUTS = (
    "a folder with JPEGImages/, Annotations/ and meta_expressions.json (the layout of Ref-YouTube-VOS), a folder with "
    "instances.json and images/ (COCO's), or a folder of such folders"
)
_INSIDE_DATA_SETS = {"JPEGImages", "Annotations", "images", "meta_expressions"}
# Such as val, valid, val2017, test-dev and val_two_objects.
_NOT_FOR_TRAINING = re.compile(r"(val|valid|validation|test|testing)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class FoundDataSet:
    """A data set that was found.

    Attributes:
        kind: "videos" (Ref-YouTube-VOS layout) or "stills" (COCO layout).
        folder: Its folder, relative to the one that was searched; "." for that one itself.
        names: What can be learned from: the videos with an expression that names its object, or the pictures with an
            object. Pictures go by their file names.
        items: What is there and what should be.
        missing: The first file that is listed and not there; None where all are.
    """

    kind: Literal["videos", "stills"]
    folder: str
    names: tuple[str, ...]
    items: tuple[CheckItem, ...]
    missing: Path | None

    def __str__(self) -> str:
        what = ("video" if self.kind == "videos" else "picture") + ("" if len(self.names) == 1 else "s")
        return f"{len(self.names)} {what}" + ("" if self.folder == "." else f" in {self.folder}")


@dataclass(frozen=True)
class DataSets:
    """What a search has found.

    Attributes:
        found: The data sets to train on, sorted by folder.
        left_out: For each data set that is not trained on, its folder and why.
    """

    found: tuple[FoundDataSet, ...]
    left_out: tuple[str, ...]


def find_data_sets(root: Path) -> DataSets:
    """Look for data sets in a folder and down to three levels below it.

    Data sets in folders that are called val, valid, validation or test are left out where there are others.

    Raises:
        UserError: There is no such folder, there is no data set in it, or a list in it is broken.
    """
    if not root.is_dir():
        raise UserError(f"no such data folder: {root}")
    with announced(f"reading {root}"), warnings.catch_warnings():
        # Whoever opens the data sets warns of their contents.
        warnings.simplefilter("ignore", VLPRVOSWarning)
        sets, left_out = [], []
        for folder in _folders(root, MAX_DEPTH):
            if os.path.isfile(folder / "instances.json"):
                sets.append(_stills(root, folder))
            if _is_list_of_videos(folder):
                lacking = [name for name in ("JPEGImages", "Annotations") if not os.path.isdir(folder / name)]
                if lacking:
                    left_out.append(f"{folder}, which has no {' and no '.join(lacking)}")
                else:
                    sets.append(_videos(root, folder))
    chosen = [found for found in sets if not any(map(_NOT_FOR_TRAINING.match, Path(found.folder).parts))] or sets
    left_out += [
        f"{root / found.folder}, which is not for training by its name" for found in sets if found not in chosen
    ]
    if not chosen:
        but = f" but {' and '.join(left_out)}" if left_out else ""
        raise UserError(f"no data set in {root}{but}; needed is {_LAYOUTS}")
    return DataSets(tuple(sorted(chosen, key=lambda found: found.folder)), tuple(left_out))


def check_folder(root: Path) -> list[CheckItem]:
    """Say what a folder holds to train on, for `vlp-rvos data check`.

    Raises:
        UserError: There is no such folder, there is no data set in it, or a list in it is broken.
    """
    return [item for found in find_data_sets(root).found for item in found.items]


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """The folder and those below it, without the insides of data sets."""
    yield folder
    if depth:
        try:
            below = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        except OSError:
            return
        for name in below:
            if name not in _INSIDE_DATA_SETS and not name.startswith("."):
                yield from _folders(folder / name, depth - 1)


def _is_list_of_videos(folder: Path) -> bool:
    # The published data set keeps the list elsewhere.
    published = folder.resolve().parent / "meta_expressions" / folder.resolve().name / META
    # Unlike those of paths, these functions say no where something may not be looked at.
    listed = os.path.isfile(folder / META)
    return listed or (os.path.isfile(published) and os.path.isdir(folder / "JPEGImages"))


def _videos(root: Path, folder: Path) -> FoundDataSet:
    dataset = YTVOSDataset(folder)
    usable = [video.name for video in dataset.videos if any(e.is_usable for e in video.expressions)]
    frames = [dataset.frame_path(video.name, frame) for video in dataset.videos for frame in video.frames]
    annotations = [dataset.annotation_path(video.name, frame) for video in dataset.videos for frame in video.frames]
    name = _relative(folder, root)
    prefix = "" if name == "." else f"{name}: "
    no_frames, no_annotations = _missing(frames), _missing(annotations)
    return FoundDataSet(
        "videos",
        name,
        tuple(usable),
        (
            check_item(
                f"{prefix}videos",
                len(usable),
                len(dataset.videos),
                f"{dataset.meta_file}: the other videos have no expression that names its object (obj_id)",
            ),
            check_item(f"{prefix}expressions", sum(len(video.expressions) for video in dataset.videos), None, ""),
            _files_item(f"{prefix}frames", frames, no_frames),
            _files_item(f"{prefix}annotations", annotations, no_annotations),
        ),
        next(iter([*no_frames, *no_annotations]), None),
    )


def _stills(root: Path, folder: Path) -> FoundDataSet:
    coco = CocoFolder(folder)
    pictures = [coco.folder / "images" / image.file_name for image in coco.images]
    annotations = {image.file_name: coco.annotations_of(image) for image in coco.images}
    usable = tuple(name for name, found in annotations.items() if any(not one.crowd for one in found))
    name = _relative(folder, root)
    prefix = "" if name == "." else f"{name}: "
    missing = _missing(pictures)
    objects = sum(len(found) for found in annotations.values())
    no_objects = f"{coco.file}: lists no annotations"
    return FoundDataSet(
        "stills",
        name,
        usable,
        (
            _files_item(f"{prefix}pictures", pictures, missing),
            check_item(f"{prefix}pictures with objects", len(usable), None, no_objects),
            check_item(f"{prefix}objects", objects, None, no_objects),
            check_item(f"{prefix}categories", len(coco.categories), None, no_objects),
        ),
        next(iter(missing), None),
    )


def _missing(files: Iterable[Path]) -> list[Path]:
    """The files that are not there. Every folder is listed once, which is faster than to ask for every file."""
    names: dict[Path, set[str]] = {}
    missing = []
    for file in files:
        if file.parent not in names:
            try:
                names[file.parent] = set(os.listdir(file.parent))
            except OSError:
                names[file.parent] = set()
        if file.name not in names[file.parent]:
            missing.append(file)
    return missing


def _files_item(what: str, files: list[Path], missing: list[Path]) -> CheckItem:
    hint = f"the list names {missing[0]}, which is not there" if missing else ""
    return check_item(what, len(files) - len(missing), len(files), hint)


def _relative(folder: Path, root: Path) -> str:
    return str(folder.relative_to(root))
