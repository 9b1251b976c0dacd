"""RefCOCO, RefCOCO+ and RefCOCOg: expressions about objects in the images of COCO train2014.

The annotations come in two forms. If a folder has both, the first one is read.

```
<folder>/<name>/refs(<maker>).p                 the original form: a pickle of plain data, an entry for each object
<folder>/<name>/instances.json                  masks for the original form, in COCO's format
<folder>/<name>/instances_<name>_<split>.json   the converted form, which video projects share: an image and an
                                                annotation for each expression, which is the image's "caption"
<folder>/train2014/COCO_train2014_<id>.jpg
```
<name> is refcoco, refcoco+ or refcocog. <maker> is who made the splits: unc for the first two, umd for RefCOCOg; google
if that file is missing. The annotations may also lie in `<folder>` itself, and the images where the original programs
expect them, in `images/mscoco/images/train2014`. Sources: Kazemzadeh et al. (EMNLP 2014), Yu et al., "Modeling Context
in Referring Expressions" (ECCV 2016), Mao et al. (CVPR 2016), whose data Yu's repository `refer` collects; the
converted form is that of ReferFormer (Wu et al., CVPR 2022).

An image is a video of one frame, "00000", with all its expressions. Object ids are COCO's annotation ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item, try_to_read
from vlp_rvos.data.benchmarks.refcoco_annotations import (
    ANNOTATIONS_SOURCE,
    SPLIT_MAKERS,
    SPLITS,
    AnnotatedImage,
    OriginalAnnotations,
    converted_images,
)
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringVideo
from vlp_rvos.data.sources.files import check_videos
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_rgb

__all__ = ["SPLITS", "RefCOCO", "check", "open_split"]

FRAME = "00000"


class Counts(NamedTuple):
    """Number of expressions, objects and images of a split."""

    expressions: int
    objects: int
    images: int


OFFICIAL = {
    # The files have one expression more than the 142,209 that the paper states.
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

IMAGES_SOURCE = "get train2014.zip (13 GB) from cocodataset.org/#download and unpack it into this folder"


class RefCOCO(ReferringDataset):
    """A split of RefCOCO, RefCOCO+ or RefCOCOg.

    Args:
        folder: root of the data set.
        split: one of `SPLITS` that the data set has.
        name: "refcoco", "refcoco+" or "refcocog".

    Raises:
        UserError: a file is missing or does not follow the layout, or the data set has no such split.
    """

    def __init__(self, folder: Path, split: str, name: str) -> None:
        self.name, self.split = name, split
        self._folder = _images_folder(folder)
        annotations = _annotations_folder(folder, name)
        refs_file = _refs_file(annotations, name)
        images = (
            OriginalAnnotations(refs_file).images(split) if refs_file else converted_images(annotations, name, split)
        )
        self._annotated = {Path(image.file_name).stem: image for image in images}
        if len(self._annotated) < len(images):
            raise UserError(
                f"two images of split '{split}' in {annotations} have the same file name; download it again"
            )
        self.videos = [ReferringVideo(key, [FRAME], image.expressions) for key, image in self._annotated.items()]
        check_videos(self.videos, annotations, "images")

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        image = self._annotated[video]
        path = self._folder / image.file_name
        pixels = read_rgb(path)
        if pixels.shape[:2] != (image.height, image.width):
            found = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise UserError(f"{path} is {found}, its annotations say {image.width}x{image.height}: unpack it again")
        return pixels

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]]:
        """Object id -> mask (H, W) of every object that an expression of the split refers to.

        Raises:
            UserError: a segmentation cannot be decoded.
        """
        image = self._annotated[video]
        return {object_id: image.mask_of(object_id) for object_id in image.segmentations}


def open_split(folder: Path, split: str, name: str) -> RefCOCO:
    """Open a split. See `RefCOCO`."""
    return RefCOCO(folder, split, name)


def check(folder: Path, name: str) -> list[CheckItem]:
    """Compare expressions, objects and images of every split with the official numbers. See `check_benchmark`."""
    annotations = _annotations_folder(folder, name)
    refs_file = _refs_file(annotations, name)
    maker = refs_file.stem.removeprefix("refs(").removesuffix(")") if refs_file else SPLIT_MAKERS[name][0]
    official = OFFICIAL.get((name, maker))
    original, hint = try_to_read(lambda: [OriginalAnnotations(refs_file)] if refs_file else [], ANNOTATIONS_SOURCE)
    items: list[CheckItem] = []
    names: set[str] = set()
    for split in official or (original[0].splits if original else ("train", "val", "test")):
        images: Sequence[AnnotatedImage] = ()
        if original or not refs_file:
            read = (
                partial(original[0].images, split) if original else partial(converted_images, annotations, name, split)
            )
            images, hint = try_to_read(read, ANNOTATIONS_SOURCE)
        found = Counts(
            expressions=sum(len(image.expressions) for image in images),
            objects=sum(len(image.segmentations) for image in images),
            images=len(images),
        )
        expected = official[split] if official else (None, None, None)
        for what, number, wanted in zip(Counts._fields, found, expected, strict=True):
            items.append(check_item(f"{split} {what}", number, wanted, hint))
        names.update(image.file_name for image in images)
    there = {path.name for path in _images_folder(folder).glob("*.jpg")}
    total = sum(counts.images for counts in official.values()) if official else None
    return [*items, check_item("image files (train2014)", len(names & there), total, IMAGES_SOURCE)]


def _annotations_folder(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder


def _refs_file(annotations: Path, name: str) -> Path | None:
    files = [annotations / f"refs({maker}).p" for maker in SPLIT_MAKERS[name]]
    return next((file for file in files if file.is_file()), None)


def _images_folder(folder: Path) -> Path:
    """Folder of the images: the first of the usual ones that exists, or the first one."""
    places = [
        root / place
        for root in (folder, folder.absolute().parent)
        for place in ("train2014", "images/train2014", "images/mscoco/images/train2014")
    ]
    return next((place for place in places if place.is_dir()), places[0])
