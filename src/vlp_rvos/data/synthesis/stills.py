"""Still pictures with their objects, read from a COCO folder."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from vlp_rvos.data.language.nouns import names_of
from vlp_rvos.data.language.vocabulary import STUFF
from vlp_rvos.data.sources.coco import CocoFolder, CocoImage
from vlp_rvos.data.synthesis.label_maps import Bounds, LabelMap, Pixels, combine_masks, find_bounds, mask_of
from vlp_rvos.data.synthesis.scene_clip import LabelledObject

__all__ = ["CLOTHING", "Still", "StillBank", "blurred_ground", "draw_focus", "place_on_ground", "widen_still"]

CLOTHING = "clothing"
"""The supercategory of what people wear."""


@dataclass
class Still:
    """A picture with its objects.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        labels: (H, W) label map.
        objects: The objects.
        absent_nouns: Nouns that nothing in the picture deserves, unless one of the objects does.
    """

    pixels: Pixels
    labels: LabelMap
    objects: list[LabelledObject]
    absent_nouns: tuple[str, ...] = ()


class StillBank:
    """The pictures of a COCO folder, with what is known of each collection in it.

    Args:
        coco: The folder.
        names: File names of the pictures that may be used; None takes all.

    Attributes:
        images: The pictures that may be used.
        by_source: Collection -> its pictures.
        absent_nouns: Collection -> nouns that nothing in its pictures deserves, unless an object does.
        has_clothes: Collection -> whether it annotates the clothes of people.
    """

    def __init__(self, coco: CocoFolder, names: set[str] | None = None) -> None:
        self.coco = coco
        self.images = [image for image in coco.images if names is None or image.file_name in names]
        self.by_source: dict[str, list[CocoImage]] = {}
        annotated: dict[str, set[str]] = {}
        for image in self.images:
            self.by_source.setdefault(image.source, []).append(image)
        for image in coco.images:
            annotated.setdefault(image.source, set()).update(a.category for a in coco.annotations_of(image))
        # A collection annotates every object of its categories, so a category without annotation is not in the picture.
        # This is not so for background matter, which is often too thin or too far away to be annotated.
        self.absent_nouns = {
            source: tuple(name for category in sorted(found - STUFF) for name in names_of(category)[:2])
            for source, found in annotated.items()
        }
        self.has_clothes = {
            source: any(coco.categories.get(category) == CLOTHING for category in found)
            for source, found in annotated.items()
        }
        # Collections with many categories are worth more than their number of pictures says. [D] (our decision; see
        # docs/method.md)
        weights = [len(images) ** 0.25 * len(annotated[source]) ** 0.5 for source, images in self.by_source.items()]
        self._shares = np.array(weights) / sum(weights) if sum(weights) else None

    def draw(self, rng: np.random.Generator) -> CocoImage:
        """Draws a picture: first a collection, then a picture of it."""
        source = list(self.by_source)[int(rng.choice(len(self.by_source), p=self._shares))]
        images = self.by_source[source]
        return images[int(rng.integers(len(images)))]

    def category_shares(self) -> dict[str, float]:
        """Category -> share of the drawn pictures that show it."""
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
            UserError: The picture or a mask is broken.
        """
        annotations = self.coco.annotations_of(image)
        masks = [self.coco.mask(annotation) for annotation in annotations]
        labels, sets = combine_masks(masks, (image.height, image.width))
        objects = [
            LabelledObject(
                a.category, own, referable=not a.crowd, depth=0, weight=0.6 if a.supercategory == CLOTHING else 1.0
            )
            for a, own in zip(annotations, sets, strict=True)
        ]
        people = [k for k, a in enumerate(annotations) if a.category == "person" and not a.crowd]
        for k, annotation in enumerate(annotations):
            if annotation.supercategory != CLOTHING and annotation.category != "tie":
                continue
            size = max(int(masks[k].sum()), 1)
            shares = {p: int((masks[k] & masks[p]).sum()) / size for p in people}
            wearer = max(shares, key=shares.__getitem__, default=None)
            if wearer is not None and shares[wearer] > 0.5:
                objects[k].owner = wearer
                objects[wearer].clothes_known = self.has_clothes[image.source]
        return Still(self.coco.load_image(image), labels, objects, self.absent_nouns[image.source])


def widen_still(still: Still, aspect: float, rng: np.random.Generator) -> Still:
    """Places a picture on a blurred ground of its own colours, which has more of the aspect ratio `aspect` (W / H).

    For tall pictures in wide frames, and wide ones in tall frames: a crop would cut people in two.
    """
    h, w = still.labels.shape
    share = rng.uniform(0.5, 1.0)
    if w / h < aspect:
        new_h, new_w = h, round(w + share * (h * aspect - w))
    else:
        new_h, new_w = round(h + share * (w / aspect - h)), w
    pixels, labels = place_on_ground(still.pixels, still.labels, (new_h, new_w), rng)
    return replace(still, pixels=pixels, labels=labels)


def place_on_ground(
    pixels: Pixels, labels: LabelMap, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Pixels, LabelMap]:
    """Places a picture somewhere on a blurred ground of its own colours.

    Args:
        pixels: The picture (h, w, 3).
        labels: Its label map (h, w).
        size: (H, W) of the ground, at least those of the picture.
        rng: Source of all choices.

    Returns:
        The larger picture and its label map.
    """
    (h, w), (height, width) = labels.shape, size
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    ground = blurred_ground(pixels, size)
    ground[top : top + h, left : left + w] = pixels
    larger = np.zeros(size, dtype=np.int16)
    larger[top : top + h, left : left + w] = labels
    return ground, larger


def blurred_ground(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """The colours of a picture (h, w, 3), blurred over a size (H, W)."""
    tiny = Image.fromarray(pixels).resize((6, 6), Image.Resampling.BOX)
    return np.array(tiny.resize(size[::-1], Image.Resampling.BICUBIC))


def draw_focus(still: Still, rng: np.random.Generator) -> Bounds | None:
    """Draws an object that the camera should show, large ones more often; sometimes, and without objects, None."""
    if not still.objects or rng.random() < 0.1:
        return None
    largest = max((label for obj in still.objects for label in obj.labels), default=0)
    sizes = np.bincount(still.labels.ravel(), minlength=1 + largest)
    areas = np.array([sizes[sorted(obj.labels)].sum() if obj.labels else 0 for obj in still.objects], dtype=np.float64)
    if not areas.any():
        return None
    weights = np.sqrt(np.minimum(areas, 0.2 * still.labels.size))
    obj = still.objects[int(rng.choice(len(areas), p=weights / weights.sum()))]
    return find_bounds(mask_of(still.labels, obj.labels))
