"""Pictures with object masks in the COCO format: `instances.json` beside `images/`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from vlp_rvos.errors import UserError

__all__ = ["CocoAnnotation", "CocoFolder", "CocoImage"]


@dataclass(frozen=True)
class CocoImage:
    """One picture.

    Attributes:
        id: unique in the folder; numbers of the file become their text.
        file_name: inside `images/`.
        width, height: in pixels.
        source: the collection it comes from, where the file says so, else "".
    """

    id: str
    file_name: str
    width: int
    height: int
    source: str = ""


@dataclass(frozen=True, eq=False)
class CocoAnnotation:
    """One object of one picture.

    Attributes:
        id: unique in the folder.
        image_id: `CocoImage.id` of its picture.
        category, supercategory: names.
        area: of the mask, in pixels.
        box: (left, top, width, height) in pixels.
        crowd: a group that is not split into its members.
        segmentation: polygons, or run lengths (compressed or not), as the file has it.
    """

    id: str
    image_id: str
    category: str
    supercategory: str
    area: float
    box: tuple[float, float, float, float]
    crowd: bool
    segmentation: Any


class CocoFolder:
    """A COCO-format folder. The list is read at once; pictures and masks only when they are asked for.

    Args:
        folder: holds `instances.json` and `images/`.

    Attributes:
        images: in the order of the file.
        categories: category name -> supercategory name.

    Raises:
        UserError: the folder or `instances.json` is missing, or the file is not in the COCO format.

    Example:
        >>> coco = CocoFolder("stills")                                     # doctest: +SKIP
        >>> for image in coco.images:                                       # doctest: +SKIP
        ...     for annotation in coco.annotations_of(image):
        ...         print(annotation.category, coco.mask(annotation).sum())
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.file = self.folder / "instances.json"
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"cannot read {self.file}: give a folder that holds instances.json and images/") from error
        except ValueError as error:
            raise UserError(f"{self.file} is not JSON ({error}): export it again") from error
        self.images: list[CocoImage] = []
        self.categories: dict[str, str] = {}
        self._annotations: dict[str, list[CocoAnnotation]] = {}
        try:
            self._read(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{self.file} is not in the COCO format ({reason}): it needs images, annotations, categories"
            ) from error
        self._sizes = {image.id: (image.height, image.width) for image in self.images}

    def __len__(self) -> int:
        return len(self.images)

    def annotations_of(self, image: CocoImage) -> list[CocoAnnotation]:
        """The objects of a picture, in the order of the file."""
        return self._annotations.get(image.id, [])

    def load_image(self, image: CocoImage) -> NDArray[np.uint8]:
        """The picture, (H, W, 3) uint8 RGB.

        Raises:
            UserError: the file is missing, broken, or has another size than `instances.json` says.
        """
        path = self.folder / "images" / image.file_name
        try:
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
        except OSError as error:
            raise UserError(f"cannot read the picture {path} that {self.file} lists ({error})") from error
        if pixels.shape[:2] != (image.height, image.width):
            found = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise UserError(f"{path} is {found}, but {self.file} says {image.width}x{image.height}: correct the list")
        return pixels

    def mask(self, annotation: CocoAnnotation) -> NDArray[np.bool_]:
        """The mask of an object, (H, W) bool, at the size of its picture.

        Raises:
            UserError: the segmentation cannot be decoded, or has another size than the picture.
        """
        height, width = self._sizes[annotation.image_id]
        segmentation = annotation.segmentation
        try:
            if isinstance(segmentation, list):
                runs = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
            elif isinstance(segmentation["counts"], list):
                runs = coco_mask.frPyObjects(segmentation, height, width)
            else:
                runs = segmentation
            rows, columns = runs["size"]
            if (int(rows), int(columns)) != (height, width):
                raise ValueError(f"its size is {columns}x{rows}, the picture's {width}x{height}")
            return np.asarray(coco_mask.decode(runs), dtype=bool)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(
                f"the segmentation of annotation {annotation.id} in {self.file} is broken: {error}"
            ) from error

    def _read(self, content: Any) -> None:
        names: dict[str, tuple[str, str]] = {}
        for category in content["categories"]:
            name, supercategory = str(category["name"]), str(category.get("supercategory", ""))
            names[str(category["id"])] = (name, supercategory)
            self.categories[name] = supercategory
        for image in content["images"]:
            self.images.append(
                CocoImage(
                    id=str(image["id"]),
                    file_name=str(image["file_name"]),
                    width=int(image["width"]),
                    height=int(image["height"]),
                    source=str(image.get("source", "")),
                )
            )
        known = {image.id for image in self.images}
        for entry in content["annotations"]:
            image_id = str(entry["image_id"])
            if image_id not in known:
                raise ValueError(f"annotation {entry['id']} names the picture {image_id}, which is not listed")
            category, supercategory = names[str(entry["category_id"])]
            left, top, width, height = (float(value) for value in entry["bbox"])
            annotation = CocoAnnotation(
                id=str(entry["id"]),
                image_id=image_id,
                category=category,
                supercategory=supercategory,
                area=float(entry.get("area", width * height)),
                box=(left, top, width, height),
                crowd=bool(int(entry.get("iscrowd", 0))),
                segmentation=entry["segmentation"],
            )
            self._annotations.setdefault(image_id, []).append(annotation)
