"""Objects cut out of still pictures, to be pasted elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from PIL import Image

from vlp_rvos.data.language.vocabulary import STUFF, split_names
from vlp_rvos.data.sources.coco import CocoAnnotation, CocoImage
from vlp_rvos.data.synthesis.label_maps import LabelMap, Pixels, mask_of
from vlp_rvos.data.synthesis.recolouring import recolour_objects
from vlp_rvos.data.synthesis.scene_clip import LabelledObject
from vlp_rvos.data.synthesis.stills import CLOTHING, StillBank

__all__ = ["Cutout", "CutoutBank"]

# Objects that make no sense without their surroundings, or that are hardly ever whole.
_UNFIT = STUFF | {"dining table", "sink", "bed", "oven", "cyclist", "refrigerator", "microwave", "toilet"}

_MOVES_BY_ITSELF = split_names(
    """
    person bird cat dog horse sheep cow elephant bear zebra giraffe car motorcycle airplane bus train truck boat bicycle
    kite frisbee skateboard surfboard umbrella
    """
) | {"sports ball", "teddy bear"}

# What people ride -> how often it is drawn.
_MOUNTS = {"bicycle": 5.0, "motorcycle": 2.5, "horse": 1.0, "elephant": 0.5, "skateboard": 0.5}

# Pixels of the picture that are kept around an object.
_MARGIN = 3


@dataclass
class Cutout:
    """One or more objects without their background, still or moving.

    Attributes:
        pixels: (n, h, w, 3) uint8 RGB; n is 1 for objects of a still picture.
        labels: (n, h, w) label map, 0 outside of the objects.
        objects: The object, then what it wears (owner 0); or several objects of one video.
    """

    pixels: Pixels
    labels: LabelMap
    objects: list[LabelledObject]


@dataclass(frozen=True)
class _Candidate:
    """An object of a picture of one of the banks."""

    bank: int
    image: CocoImage
    annotation: CocoAnnotation


@dataclass
class CutoutBank:
    """The objects of stills that can be cut out and pasted elsewhere.

    Args:
        banks: The stills, whose whole and well visible objects are used.
        max_side: Longest side of a cut-out in pixels.

    Attributes:
        by_category: Category -> its objects.
        mounts: Category of what people ride -> its objects, whole or not.
    """

    banks: Sequence[StillBank]
    max_side: int = 260
    by_category: dict[str, list[_Candidate]] = field(init=False, default_factory=dict)
    mounts: dict[str, list[_Candidate]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for k, bank in enumerate(self.banks):
            for image in bank.images:
                for annotation in bank.coco.annotations_of(image):
                    candidate = _Candidate(k, image, annotation)
                    if _is_whole(image, annotation):
                        self.by_category.setdefault(annotation.category, []).append(candidate)
                    if _is_mount(image, annotation):
                        self.mounts.setdefault(annotation.category, []).append(candidate)

    @property
    def categories(self) -> list[str]:
        """The categories with at least one cut-out, sorted."""
        return sorted(self.by_category)

    @cached_property
    def shares(self) -> dict[str, float]:
        """Category -> how often `draw_category` draws it; together 1."""
        weights = np.sqrt([min(len(self.by_category[name]), 150) for name in self.categories])
        weights *= [1.0 if name in _MOVES_BY_ITSELF else 0.4 for name in self.categories]
        return dict(zip(self.categories, (weights / weights.sum()).tolist(), strict=True))

    def draw_category(self, rng: np.random.Generator, without: frozenset[str] = frozenset()) -> str:
        """Draws a category that is not in `without`; what is frequent or moves by itself is drawn more often."""
        shares = {name: share for name, share in self.shares.items() if name not in without}
        weights = np.array(list(shares.values()))
        return str(rng.choice(list(shares), p=weights / weights.sum()))

    def draw(self, category: str, rng: np.random.Generator, side: int) -> Cutout:
        """Draws an object of a category, sometimes mirrored or recoloured.

        Args:
            category: One of `categories`.
            rng: Source of all choices.
            side: Longest side of the cut-out in pixels; never more than `max_side`.

        Raises:
            UserError: Its picture or mask cannot be read.
        """
        candidates = self.by_category[category]
        # In few pictures of people the clothes are annotated; those people can be told apart by words.
        dressed = [c for c in candidates if self.banks[c.bank].has_clothes[c.image.source]]
        pool = dressed if dressed and rng.random() < 0.8 else candidates
        candidate = pool[int(rng.integers(len(pool)))]
        return self._cut_out(candidate, min(side, self.max_side), rng)

    def draw_mount(self, rng: np.random.Generator, side: int) -> Cutout | None:
        """Draws something that people ride, or None where there is none.

        Args, errors: see `draw`.
        """
        if not self.mounts:
            return None
        names = sorted(self.mounts)
        weights = np.array([_MOUNTS[name] for name in names])
        candidates = self.mounts[str(rng.choice(names, p=weights / weights.sum()))]
        return self._cut_out(candidates[int(rng.integers(len(candidates)))], min(side, self.max_side), rng)

    def _cut_out(self, candidate: _Candidate, side: int, rng: np.random.Generator) -> Cutout:
        bank = self.banks[candidate.bank]
        still = bank.load(candidate.image)
        index = bank.coco.annotations_of(candidate.image).index(candidate.annotation)
        left, top, width, height = (round(value) for value in candidate.annotation.box)
        rows = slice(max(top - _MARGIN, 0), min(top + height + _MARGIN, still.labels.shape[0]))
        columns = slice(max(left - _MARGIN, 0), min(left + width + _MARGIN, still.labels.shape[1]))
        pixels, labels = still.pixels[rows, columns], still.labels[rows, columns]
        labels = np.where(mask_of(labels, still.objects[index].labels), labels, 0).astype(np.int16)
        objects = [replace(still.objects[index], owner=None)]
        for worn in still.objects:
            visible = {label for label in worn.labels if (labels == label).any()} if worn.owner == index else set()
            if visible:
                objects.append(replace(worn, labels=visible, owner=0))
        scale = side / max(pixels.shape[:2])
        # What is very small stays so.
        if scale < 1.6:
            new = (max(round(pixels.shape[1] * scale), 4), max(round(pixels.shape[0] * scale), 4))
            pixels = np.asarray(Image.fromarray(pixels).resize(new, Image.Resampling.BILINEAR))
            labels = np.asarray(Image.fromarray(labels).resize(new, Image.Resampling.NEAREST))
        pixels = recolour_objects(pixels, labels, objects, rng)
        if rng.random() < 0.5:
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        return Cutout(np.ascontiguousarray(pixels)[None], np.ascontiguousarray(labels)[None], objects)


def _is_whole(image: CocoImage, annotation: CocoAnnotation) -> bool:
    """Whether an object is well visible, and no border of its picture cuts it (but for the feet of people)."""
    if annotation.crowd or annotation.supercategory in (CLOTHING, "street") or annotation.category in _UNFIT:
        return False
    left, top, width, height = annotation.box
    share = annotation.area / (image.width * image.height)
    inside = left > 1 and top > 1 and left + width < image.width - 2
    grounded = top + height < image.height - 2 or annotation.category == "person"
    solid = annotation.area > 0.36 * width * height and min(width, height) >= 24
    return inside and grounded and solid and 0.012 < share < 0.6


def _is_mount(image: CocoImage, annotation: CocoAnnotation) -> bool:
    """Whether people ride it, and it is large enough.

    It need not be whole: there are few of them, a bicycle is mostly holes, and its rider hides its borders.
    """
    share, sides = annotation.area / (image.width * image.height), annotation.box[2:]
    return annotation.category in _MOUNTS and not annotation.crowd and min(sides) >= 36 and 0.004 < share < 0.6
