"""Still pictures with their things, read from a COCO folder for pseudo clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlp_rvos.data.language.vocabulary import CATEGORY_NAMES, STUFF
from vlp_rvos.data.sources.coco import CocoFolder, CocoImage
from vlp_rvos.data.synthesis.scenes import Labels, Part

__all__ = ["CLOTHING", "Still", "StillBank", "label_map", "widened"]

Pixels = NDArray[np.uint8]

CLOTHING = "clothing"


@dataclass
class Still:
    """A picture with its things.

    Attributes:
        pixels: (H, W, 3) uint8.
        labels: (H, W) int16, 0 belongs to nothing.
        parts: the things, with the labels of the map.
        absent: nouns that nothing in the picture deserves if no thing does.
    """

    pixels: Pixels
    labels: Labels
    parts: list[Part]
    absent: tuple[str, ...] = ()


class StillBank:
    """The pictures of a COCO folder, with what is known of each collection in it.

    Args:
        coco: the folder.
        names: file names that may be used; None takes all.
    """

    def __init__(self, coco: CocoFolder, names: set[str] | None = None) -> None:
        self.coco = coco
        self.images = [image for image in coco.images if names is None or image.file_name in names]
        self.by_source: dict[str, list[CocoImage]] = {}
        marked: dict[str, set[str]] = {}
        for image in self.images:
            self.by_source.setdefault(image.source, []).append(image)
        for image in coco.images:
            marked.setdefault(image.source, set()).update(a.category for a in coco.annotations_of(image))
        # A collection marks every thing of its categories, so a category without a mark is not in the picture. Not so
        # for background matter, which is often too thin or too far away to be marked.
        self.absent = {
            source: tuple(name for c in sorted(found - STUFF) for name in CATEGORY_NAMES.get(c, [c])[:2])
            for source, found in marked.items()
        }
        self.dressing = {
            source: any(coco.categories.get(c) == CLOTHING for c in found) for source, found in marked.items()
        }

        # Collections with many categories are worth more than their number of pictures says. [D]
        weights = [len(images) ** 0.25 * len(marked[source]) ** 0.5 for source, images in self.by_source.items()]
        self._shares = np.array(weights) / sum(weights) if sum(weights) else None

    def draw(self, rng: np.random.Generator) -> CocoImage:
        """A random picture: first a collection, then a picture of it."""
        source = list(self.by_source)[int(rng.choice(len(self.by_source), p=self._shares))]
        images = self.by_source[source]
        return images[int(rng.integers(len(images)))]

    def shares(self) -> dict[str, float]:
        """How many of the pictures that are drawn show each category."""
        shares: defaultdict[str, float] = defaultdict(float)
        for collection, images in enumerate(self.by_source.values()):
            share = 0.0 if self._shares is None else float(self._shares[collection])
            for image in images:
                for category in {annotation.category for annotation in self.coco.annotations_of(image)}:
                    shares[category] += share / len(images)
        return dict(shares)

    def load(self, image: CocoImage) -> Still:
        """Reads a picture and its masks.

        Raises:
            UserError: the picture or a mask is broken.
        """
        annotations = self.coco.annotations_of(image)
        masks = [self.coco.mask(annotation) for annotation in annotations]
        labels, sets = label_map(masks, (image.height, image.width))
        parts = [
            Part(a.category, found, askable=not a.crowd, depth=0, weight=0.6 if a.supercategory == CLOTHING else 1.0)
            for a, found in zip(annotations, sets, strict=True)
        ]
        people = [k for k, a in enumerate(annotations) if a.category == "person" and not a.crowd]
        for k, annotation in enumerate(annotations):
            if annotation.supercategory != CLOTHING and annotation.category != "tie":
                continue
            size = max(int(masks[k].sum()), 1)
            shares = {p: int((masks[k] & masks[p]).sum()) / size for p in people}
            wearer = max(shares, key=shares.__getitem__, default=None)
            if wearer is not None and shares[wearer] > 0.5:
                parts[k].owner = wearer
                parts[wearer].dressed = self.dressing[image.source]
        return Still(self.coco.load_image(image), labels, parts, self.absent[image.source])


def label_map(masks: Sequence[NDArray[np.bool_]], size: tuple[int, int]) -> tuple[Labels, list[set[int]]]:
    """Overlapping masks as one map: pixels that belong to the same masks get the same label.

    Args:
        masks: K of (H, W) bool.
        size: (H, W).

    Returns:
        (H, W) int16 labels, 0 in no mask; and for each mask the labels it consists of.
    """
    labels = np.zeros(size, dtype=np.int16)
    sets: list[set[int]] = []
    count = 1
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        own: set[int] = set()
        if rows.size:
            window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            inside, part = mask[window], labels[window]
            for old in np.flatnonzero(np.bincount(part[inside], minlength=count)):
                part[inside & (part == old)] = count
                for other in sets:
                    if int(old) in other:
                        other.add(count)
                own.add(count)
                count += 1
        sets.append(own)
    return labels, sets


def widened(still: Still, aspect: float, rng: np.random.Generator) -> Still:
    """A picture on a blurred ground of its own, widened (or heightened) towards an aspect ratio W / H.

    For tall pictures in wide frames: a crop would cut people in two.
    """
    h, w = still.labels.shape
    share = rng.uniform(0.5, 1.0)
    if w / h < aspect:
        new_h, new_w = h, round(w + share * (h * aspect - w))
    else:
        new_h, new_w = round(h + share * (w / aspect - h)), w
    top, left = int(rng.integers(new_h - h + 1)), int(rng.integers(new_w - w + 1))
    tiny = Image.fromarray(still.pixels).resize((6, 6), Image.Resampling.BOX)
    ground = np.array(tiny.resize((new_w, new_h), Image.Resampling.BICUBIC))
    ground[top : top + h, left : left + w] = still.pixels
    labels = np.zeros((new_h, new_w), dtype=np.int16)
    labels[top : top + h, left : left + w] = still.labels
    return replace(still, pixels=ground, labels=labels)
