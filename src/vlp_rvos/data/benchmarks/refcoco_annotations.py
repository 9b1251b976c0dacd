"""The annotations of RefCOCO in their two forms, read into one: see `vlp_rvos.data.benchmarks.refcoco`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression
from vlp_rvos.data.benchmarks.unpickle import load_plain
from vlp_rvos.data.sources.files import LAYOUT_ERRORS, plain_name, read_json, whole_number
from vlp_rvos.errors import UserError
from vlp_rvos.media.rle import decode_mask

__all__ = ["ANNOTATIONS_SOURCE", "SPLITS", "SPLIT_MAKERS", "AnnotatedImage", "OriginalAnnotations", "converted_images"]

SPLITS = ("train", "val", "testA", "testB", "test")
"""Splits of any of the three. "test" is all test splits of a data set together, as in the original programs."""

SPLIT_MAKERS = {"refcoco": ("unc", "google"), "refcoco+": ("unc",), "refcocog": ("umd", "google")}

ANNOTATIONS_SOURCE = "get refcoco.zip, refcoco+.zip and refcocog.zip as github.com/lichengunc/refer says"


@dataclass
class AnnotatedImage:
    """One image, with everything that a split says about it.

    Attributes:
        file_name: name of the image's file.
        height: height of the image in pixels.
        width: width of the image in pixels.
        expressions: expressions about objects of the image.
        segmentations: object id -> polygons as arrays, or a run-length encoding.
    """

    file_name: str
    height: int
    width: int
    expressions: list[ReferringExpression] = field(default_factory=list)
    segmentations: dict[int, Any] = field(default_factory=dict)

    def mask_of(self, object_id: int) -> NDArray[np.bool_]:
        """Mask (H, W) of an object.

        Raises:
            UserError: its segmentation is broken.
        """
        try:
            return decode_mask(self.segmentations[object_id], (self.height, self.width))
        except ValueError as error:
            raise UserError(f"the segmentation of object {object_id} in {self.file_name} is broken: {error}") from error


class OriginalAnnotations:
    """All splits of a data set, in the original form.

    Args:
        refs_file: the file `refs(<maker>).p`; `instances.json` must lie beside it.

    Raises:
        UserError: a file is missing or does not follow the layout.
    """

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
        """The splits that the file holds, of `SPLITS`."""
        return tuple(split for split in SPLITS if self._refs_of(split))

    def images(self, split: str) -> list[AnnotatedImage]:
        """The images of a split, in the order of the file.

        Raises:
            UserError: there is no such split, or a file does not follow the layout.
        """
        refs = self._refs_of(split)
        if not refs:
            raise UserError(f"{self._file} has no split '{split}'; it has {', '.join(self.splits) or 'none'}")
        images: dict[int, AnnotatedImage] = {}
        with _following_the_layout(self._file):
            for ref in refs:
                image_id, annotation_id = ref["image_id"], ref["ann_id"]
                if image_id not in self._images or annotation_id not in self._segmentations:
                    raise UserError(
                        f"{self._file} refers to annotation {annotation_id!r} of image {image_id!r}, which"
                        f" {self._instances_file} does not have: the files come from different data sets"
                    )
                if image_id not in images:
                    images[image_id] = _annotated_image(self._images[image_id], self._instances_file)
                image, object_id = images[image_id], whole_number(annotation_id)
                image.segmentations[object_id] = self._segmentations[annotation_id]
                image.expressions += (
                    _expression(sentence["sent_id"], sentence["sent"], (object_id,)) for sentence in ref["sentences"]
                )
        return list(images.values())

    def _refs_of(self, split: str) -> list[dict[str, Any]]:
        names = [name for name in self._refs if name == split or (split == "test" and str(name).startswith("test"))]
        return [ref for name in names for ref in self._refs[name]]


def converted_images(annotations: Path, name: str, split: str) -> list[AnnotatedImage]:
    """The images of a split in the converted form, in the order of the file.

    Args:
        annotations: folder of the annotations.
        name: "refcoco", "refcoco+" or "refcocog".
        split: name of the split.

    Raises:
        UserError: the file is missing or does not follow the layout.
    """
    file = annotations / f"instances_{name}_{split}.json"
    if not file.is_file():
        raise UserError(
            f"neither 'refs({SPLIT_MAKERS[name][0]}).p' nor '{file.name}' in {annotations}; {ANNOTATIONS_SOURCE}"
        )
    content = read_json(file)
    images: dict[str, AnnotatedImage] = {}
    with _following_the_layout(file):
        objects: defaultdict[Any, dict[int, Any]] = defaultdict(dict)
        for annotation in content["annotations"]:
            # Every expression has a copy of its object; copies of one object have the same original id.
            key = whole_number(annotation.get("original_id", annotation["id"]))
            objects[annotation["image_id"]][key] = annotation["segmentation"]
        for entry in content["images"]:
            image = images.setdefault(entry["file_name"], _annotated_image(entry, file))
            referred = objects[entry["id"]]
            if not referred:
                raise ValueError(f"image {entry['id']!r:.80} has no annotation, so its expression refers to nothing")
            image.expressions.append(_expression(entry["id"], entry["caption"], tuple(referred)))
            for key in referred.keys() - image.segmentations.keys():
                image.segmentations[key] = _compact(referred[key])
    return list(images.values())


def _annotated_image(entry: Mapping[str, Any], file: Path) -> AnnotatedImage:
    with _following_the_layout(file):
        return AnnotatedImage(
            plain_name(entry["file_name"], file), whole_number(entry["height"]), whole_number(entry["width"])
        )


def _expression(key: object, text: object, object_ids: tuple[int, ...]) -> ReferringExpression:
    if not isinstance(text, str):
        raise TypeError(f"expression {key!r} is not a text")
    return ReferringExpression(str(key), " ".join(text.split()), object_ids)


def _compact(segmentation: Any) -> Any:
    """The same with polygons as arrays: lists of numbers take four times the memory."""
    if isinstance(segmentation, list):
        return [_compact_polygon(polygon) for polygon in segmentation]
    return segmentation


def _compact_polygon(polygon: Any) -> Any:
    """Of anything but numbers, NumPy would make numbers where it can."""
    is_plain = isinstance(polygon, list) and {*map(type, polygon)} <= {int, float}
    return np.asarray(polygon, np.float64) if is_plain else polygon


@contextmanager
def _following_the_layout(file: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except LAYOUT_ERRORS as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{file} does not follow the layout of RefCOCO ({reason}); download it again") from error
