"""RefCOCO, RefCOCO+ and RefCOCOg: expressions about objects in the pictures of COCO train2014.

Two forms are read; where a folder has both, the first.

```
<folder>/<name>/refs(<by>).p                    the original form: a pickle of plain data, one entry a referred object
<folder>/<name>/instances.json                  its COCO-format masks
<folder>/<name>/instances_<name>_<split>.json   the form that video projects share: an image and an annotation for every
                                                expression, which is the image's "caption"
<folder>/train2014/COCO_train2014_<id>.jpg
```
<name> is refcoco, refcoco+ or refcocog. <by> says who made the splits: unc for the first two, umd for RefCOCOg; where
that is missing, google. The annotations may also be in `<folder>` itself, and the pictures where the original programs
expect them, in `images/mscoco/images/train2014`. Sources: Kazemzadeh et al. (EMNLP 2014), Yu et al., "Modeling Context
in Referring Expressions" (ECCV 2016), Mao et al. (CVPR 2016), whose data Yu's repository `refer` collects; the shared
form is that of ReferFormer (Wu et al., CVPR 2022).

A picture is a video of one frame, "00000", with all its expressions; objects are known by COCO's annotation ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.counting import attempt, check_item
from vlp_rvos.data.benchmarks.referring_dataset import CheckItem, ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.benchmarks.unpickle import load_plain
from vlp_rvos.data.sources.files import plain_name, read_json
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_rgb
from vlp_rvos.media.rle import decode_mask

__all__ = ["SPLITS", "RefCOCO", "check", "open_split"]

SPLITS = ("train", "val", "testA", "testB", "test")
"""Of any of the three; "test" is all test splits of a data set together, as in the original programs."""

SPLIT_MAKERS = {"refcoco": ("unc", "google"), "refcoco+": ("unc",), "refcocog": ("umd", "google")}

FRAME = "00000"


class Counts(NamedTuple):
    """What a split has."""

    expressions: int
    objects: int
    pictures: int


OFFICIAL = {
    # The files have one expression more than the 142,209 of the paper.
    ("refcoco", "unc"): {
        "train": Counts(120624, 42404, 16994),
        "val": Counts(10834, 3811, 1500),
        "testA": Counts(5657, 1975, 750),
        "testB": Counts(5095, 1810, 750),
    },
    ("refcoco+", "unc"): {
        "train": Counts(120191, 42278, 16992),
        "val": Counts(10758, 3805, 1500),
        "testA": Counts(5726, 1975, 750),
        "testB": Counts(4889, 1798, 750),
    },
    ("refcocog", "umd"): {
        "train": Counts(80512, 42226, 21899),
        "val": Counts(4896, 2573, 1300),
        "test": Counts(9602, 5023, 2600),
    },
}

ANNOTATIONS_SOURCE = "get refcoco.zip, refcoco+.zip and refcocog.zip as github.com/lichengunc/refer says"
PICTURES_SOURCE = "get train2014.zip (13 GB) from cocodataset.org/#download and unpack it into this folder"


@dataclass
class _Picture:
    file_name: str
    height: int
    width: int
    expressions: list[ReferringExpression] = field(default_factory=list)
    segmentations: dict[int, Any] = field(default_factory=dict)
    """Object id -> polygons (as arrays) or run lengths."""


class RefCOCO(ReferringDataset):
    """A split of RefCOCO, RefCOCO+ or RefCOCOg.

    Args:
        folder: root of the data set.
        split: one of `SPLITS` that the data set has.
        name: "refcoco", "refcoco+" or "refcocog".

    Raises:
        UserError: a file is missing or does not follow the layout, or there is no such split.
    """

    def __init__(self, folder: Path, split: str, name: str) -> None:
        self.name, self.split = name, split
        self._images = _images_folder(folder)
        annotations = _annotations_folder(folder, name)
        refs_file = _refs_file(annotations, name)
        pictures = _Original(refs_file).pictures(split) if refs_file else _shared(annotations, name, split)
        self._pictures = {Path(picture.file_name).stem: picture for picture in pictures}
        self.videos = [ReferringVideo(key, [FRAME], picture.expressions) for key, picture in self._pictures.items()]

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        picture = self._pictures[video]
        path = self._images / picture.file_name
        pixels = read_rgb(path)
        if pixels.shape[:2] != (picture.height, picture.width):
            found = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise UserError(f"{path} is {found}, its annotations say {picture.width}x{picture.height}: unpack it again")
        return pixels

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]]:
        """Object id -> mask (H, W) of the objects that the split's expressions refer to.

        Raises:
            UserError: a segmentation cannot be decoded.
        """
        picture = self._pictures[video]
        return {key: _decode(value, key, picture) for key, value in picture.segmentations.items()}


def open_split(folder: Path, split: str, name: str) -> RefCOCO:
    """Open a split; see `RefCOCO`."""
    return RefCOCO(folder, split, name)


def check(folder: Path, name: str) -> list[CheckItem]:
    """Count expressions, objects and pictures of every split against the official numbers."""
    annotations = _annotations_folder(folder, name)
    refs_file = _refs_file(annotations, name)
    maker = refs_file.stem.removeprefix("refs(").removesuffix(")") if refs_file else SPLIT_MAKERS[name][0]
    official = OFFICIAL.get((name, maker))
    original, hint = attempt(lambda: [_Original(refs_file)] if refs_file else [], ANNOTATIONS_SOURCE)
    items: list[CheckItem] = []
    names: set[str] = set()
    for split in official or (original[0].splits if original else ("train", "val", "test")):
        pictures: Sequence[_Picture] = ()
        if original or not refs_file:
            read = partial(original[0].pictures, split) if original else partial(_shared, annotations, name, split)
            pictures, hint = attempt(read, ANNOTATIONS_SOURCE)
        found = Counts(
            expressions=sum(len(picture.expressions) for picture in pictures),
            objects=sum(len(picture.segmentations) for picture in pictures),
            pictures=len(pictures),
        )
        expected = official[split] if official else (None, None, None)
        for what, number, wanted in zip(Counts._fields, found, expected, strict=True):
            items.append(check_item(f"{split} {what}", number, wanted, hint))
        names.update(picture.file_name for picture in pictures)
    there = {path.name for path in _images_folder(folder).glob("*.jpg")}
    total = sum(counts.pictures for counts in official.values()) if official else None
    return [*items, check_item("picture files (train2014)", len(names & there), total, PICTURES_SOURCE)]


class _Original:
    """The original form, all splits."""

    def __init__(self, refs_file: Path) -> None:
        self._file = refs_file
        self._instances_file = refs_file.with_name("instances.json")
        content = read_json(self._instances_file)
        refs = load_plain(refs_file)
        self._refs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        with _following_the_layout(refs_file):
            for ref in refs:
                self._refs[ref["split"]].append(ref)
            referred = {ref["ann_id"] for ref in refs}
        with _following_the_layout(self._instances_file):
            self._images = {image["id"]: image for image in content["images"]}
            self._segmentations = {
                annotation["id"]: _compact(annotation["segmentation"])
                for annotation in content["annotations"]
                if annotation["id"] in referred
            }

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if self._refs_of(split))

    def pictures(self, split: str) -> list[_Picture]:
        """Pictures of a split, in the order of the file.

        Raises:
            UserError: there is no such split, or a file does not follow the layout.
        """
        refs = self._refs_of(split)
        if not refs:
            raise UserError(f"{self._file} has no split '{split}'; it has {', '.join(self.splits) or 'none'}")
        pictures: dict[int, _Picture] = {}
        with _following_the_layout(self._file):
            for ref in refs:
                image_id, annotation_id = ref["image_id"], ref["ann_id"]
                if image_id not in self._images or annotation_id not in self._segmentations:
                    raise UserError(
                        f"{self._file} refers to annotation {annotation_id!r} of picture {image_id!r}, which"
                        f" {self._instances_file} does not have: they do not belong together"
                    )
                if image_id not in pictures:
                    pictures[image_id] = _picture(self._images[image_id], self._instances_file)
                picture, object_id = pictures[image_id], int(annotation_id)
                picture.segmentations[object_id] = self._segmentations[annotation_id]
                picture.expressions += (
                    _expression(sentence["sent_id"], sentence["sent"], (object_id,)) for sentence in ref["sentences"]
                )
        return list(pictures.values())

    def _refs_of(self, split: str) -> list[dict[str, Any]]:
        names = [name for name in self._refs if name == split or (split == "test" and name.startswith("test"))]
        return [ref for name in names for ref in self._refs[name]]


def _shared(annotations: Path, name: str, split: str) -> list[_Picture]:
    """Pictures of the form that video projects share, in the order of the file."""
    file = annotations / f"instances_{name}_{split}.json"
    if not file.is_file():
        raise UserError(
            f"neither 'refs({SPLIT_MAKERS[name][0]}).p' nor '{file.name}' in {annotations}; {ANNOTATIONS_SOURCE}"
        )
    content = read_json(file)
    pictures: dict[str, _Picture] = {}
    with _following_the_layout(file):
        objects: defaultdict[Any, dict[int, Any]] = defaultdict(dict)
        for annotation in content["annotations"]:
            # Every expression has its own copy of its object; the original id tells that they are the same.
            key = int(annotation.get("original_id", annotation["id"]))
            objects[annotation["image_id"]][key] = annotation["segmentation"]
        for image in content["images"]:
            picture = pictures.setdefault(image["file_name"], _picture(image, file))
            ours = objects[image["id"]]
            picture.expressions.append(_expression(image["id"], image["caption"], tuple(ours)))
            for key in ours.keys() - picture.segmentations.keys():
                picture.segmentations[key] = _compact(ours[key])
    return list(pictures.values())


def _picture(image: Mapping[str, Any], file: Path) -> _Picture:
    return _Picture(plain_name(image["file_name"], file), int(image["height"]), int(image["width"]))


def _expression(key: object, text: object, object_ids: tuple[int, ...]) -> ReferringExpression:
    if not isinstance(text, str):
        raise TypeError(f"expression {key!r} is no text")
    return ReferringExpression(str(key), " ".join(text.split()), object_ids)


def _compact(segmentation: Any) -> Any:
    """Lists of numbers take four times the memory of arrays."""
    if isinstance(segmentation, list):
        return [np.asarray(polygon, np.float64) for polygon in segmentation]
    return segmentation


def _decode(segmentation: Any, key: int, picture: _Picture) -> NDArray[np.bool_]:
    try:
        return decode_mask(segmentation, (picture.height, picture.width))
    except ValueError as error:
        raise UserError(f"the segmentation of object {key} in {picture.file_name} is broken: {error}") from error


@contextmanager
def _following_the_layout(file: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{file} does not follow the layout of RefCOCO ({reason}); download it again") from error


def _annotations_folder(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder


def _refs_file(annotations: Path, name: str) -> Path | None:
    files = [annotations / f"refs({maker}).p" for maker in SPLIT_MAKERS[name]]
    return next((file for file in files if file.is_file()), None)


def _images_folder(folder: Path) -> Path:
    """Where the pictures are: the first place that exists, else the first place."""
    places = [
        root / place
        for root in (folder, folder.absolute().parent)
        for place in ("train2014", "images/train2014", "images/mscoco/images/train2014")
    ]
    return next((place for place in places if place.is_dir()), places[0])
