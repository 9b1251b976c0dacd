"""Reader of the COCO format: images with object masks, listed in one `instances.json` beside the folder `images/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.arrays import Image
from vlp_rvos.data.sources.files import LAYOUT_ERRORS, finite_number, plain_name, read_json, whole_number
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_rgb
from vlp_rvos.media.rle import decode_mask

__all__ = ["CocoAnnotation", "CocoFolder", "CocoImage"]


@dataclass(frozen=True)
class CocoImage:
    """One image of the list.

    Attributes:
        id: Id of the image, unique in the folder. Ids that are numbers in the file become text.
        file_name: Path of the image file inside `images/`.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        source: Name of the collection that the image comes from; empty where the file does not name it.
    """

    id: str
    file_name: str
    width: int
    height: int
    source: str = ""


@dataclass(frozen=True, eq=False)
class CocoAnnotation:
    """One object of one image.

    Attributes:
        id: Id of the object, unique in the folder.
        image_id: `CocoImage.id` of the image that shows the object.
        category: Name of the object's category.
        supercategory: Name of the group of categories that the category belongs to; may be empty.
        area: Area of the mask in pixels.
        box: (left, top, width, height) of the object in pixels.
        crowd: Whether this is a group of objects that is not split into its members.
        segmentation: The mask in one of the three forms that `vlp_rvos.media.rle` describes, not decoded.
        track: Id that one object has in all images of a video, from `attributes`; empty where there is none.
    """

    id: str
    image_id: str
    category: str
    supercategory: str
    area: float
    box: tuple[float, float, float, float]
    crowd: bool
    segmentation: Any
    track: str = ""


class CocoFolder:
    """A folder in the COCO format. Opening it reads the list; images and masks are read when they are asked for.

    Args:
        folder: The folder that holds `instances.json` and `images/`.
        file: The list, where it has another name or lies elsewhere; images are still those of the folder.

    Attributes:
        images: The images in the order of the file.
        categories: Maps the name of every category to the name of its supercategory.

    Raises:
        UserError: The folder or its `instances.json` is missing, or the file is not in the COCO format.

    Example:
        >>> coco = CocoFolder("stills")                                     # doctest: +SKIP
        >>> for image in coco.images:                                       # doctest: +SKIP
        ...     for annotation in coco.annotations_of(image):
        ...         print(annotation.category, coco.mask(annotation).sum())
    """

    def __init__(self, folder: str | Path, file: Path | None = None) -> None:
        self.folder = Path(folder)
        self.file = file or self.folder / "instances.json"
        if not self.file.is_file():
            raise UserError(f"no {self.file}: give a folder that holds instances.json and images/")
        content = read_json(self.file)
        self.images: list[CocoImage] = []
        self.categories: dict[str, str] = {}
        self._annotations: dict[str, list[CocoAnnotation]] = {}
        try:
            self._read(content)
        except UserError:
            raise
        except LAYOUT_ERRORS as error:
            reason = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{self.file} is not in the COCO format ({reason}): it needs images, annotations, categories"
            ) from error
        self._sizes = {image.id: (image.height, image.width) for image in self.images}

    def __len__(self) -> int:
        return len(self.images)

    def annotations_of(self, image: CocoImage) -> list[CocoAnnotation]:
        """The objects of an image, in the order of the file."""
        return self._annotations.get(image.id, [])

    def load_image(self, image: CocoImage) -> Image:
        """Read the pixels of an image.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            UserError: The file is missing, broken, or has another size than `instances.json` says.
        """
        path = self.folder / "images" / image.file_name
        pixels = read_rgb(path)
        if pixels.shape[:2] != (image.height, image.width):
            found = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise UserError(f"{path} is {found}, but {self.file} says {image.width}x{image.height}: correct the list")
        return pixels

    def mask(self, annotation: CocoAnnotation) -> NDArray[np.bool_]:
        """Decode the mask of an object.

        Returns:
            (H, W) bool, of the size of the image.

        Raises:
            UserError: The segmentation is malformed, or has another size than the image.
        """
        try:
            return decode_mask(annotation.segmentation, self._sizes[annotation.image_id])
        except ValueError as error:
            raise UserError(
                f"the segmentation of annotation {annotation.id} in {self.file} is broken: {error}"
            ) from error

    def _read(self, content: Any) -> None:
        names: dict[str, tuple[str, str]] = {}
        for category in content["categories"]:
            name, supercategory = str(category["name"]), str(category.get("supercategory", ""))
            if str(category["id"]) in names:
                raise ValueError(f"two categories have the id {category['id']!r:.80}")
            names[str(category["id"])] = (name, supercategory)
            self.categories[name] = supercategory
        for image in content["images"]:
            self.images.append(
                CocoImage(
                    id=str(image["id"]),
                    file_name="/".join(plain_name(part, self.file) for part in str(image["file_name"]).split("/")),
                    width=_side(image["width"]),
                    height=_side(image["height"]),
                    source=str(image.get("source", "")),
                )
            )
        known = {image.id for image in self.images}
        if len(known) < len(self.images):
            raise ValueError("two images have the same id")
        for entry in content["annotations"]:
            image_id = str(entry["image_id"])
            if image_id not in known:
                raise ValueError(f"annotation {entry['id']} names the image {image_id}, which is not listed")
            category, supercategory = names[str(entry["category_id"])]
            left, top, width, height = (finite_number(value) for value in entry["bbox"])
            annotation = CocoAnnotation(
                id=str(entry["id"]),
                image_id=image_id,
                category=category,
                supercategory=supercategory,
                area=finite_number(entry.get("area", width * height)),
                box=(left, top, width, height),
                crowd=bool(int(entry.get("iscrowd", 0))),
                segmentation=entry["segmentation"],
                track=_track(entry.get("attributes")),
            )
            self._annotations.setdefault(image_id, []).append(annotation)


def _side(value: object) -> int:
    """Width or height of an image."""
    if (side := whole_number(value)) < 1:
        raise ValueError(f"{value!r} is no width or height")
    return side


def _track(attributes: object) -> str:
    """The id of a track, as CVAT and Datumaro write it."""
    track = attributes.get("track_id") if isinstance(attributes, dict) else None
    return str(track) if isinstance(track, int | str) and not isinstance(track, bool) else ""
