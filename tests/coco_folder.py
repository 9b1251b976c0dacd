"""A tiny COCO folder of coloured shapes, for the tests of the training data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask


@dataclass(frozen=True)
class Shape:
    category: str
    box: tuple[int, int, int, int]
    """left, top, right, bottom"""
    colour: tuple[int, int, int]
    supercategory: str = "coco"


def runs(mask: np.ndarray) -> dict[str, Any]:
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode()}


def write_coco(
    folder: Path, pictures: list[list[Shape]], size: tuple[int, int] = (90, 160), source: str = "shapes"
) -> Path:
    """Write rectangles on grey. Later ones cover earlier ones, except for clothing, which does not hide its wearer."""
    (folder / "images").mkdir(parents=True)
    names = sorted({(s.category, s.supercategory) for shapes in pictures for s in shapes})
    content: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": k, "name": n, "supercategory": u} for k, (n, u) in enumerate(names, 1)],
    }
    height, width = size
    for number, shapes in enumerate(pictures, 1):
        pixels = np.full((height, width, 3), 128, dtype=np.uint8)
        masks: list[np.ndarray] = []
        for shape in shapes:
            left, top, right, bottom = shape.box
            mask = np.zeros((height, width), dtype=bool)
            mask[top:bottom, left:right] = True
            pixels[mask] = shape.colour
            if shape.supercategory != "clothing":
                masks = [earlier & ~mask for earlier in masks]
            masks.append(mask)
        name = f"picture{number}.png"
        Image.fromarray(pixels).save(folder / "images" / name)
        content["images"].append({"id": number, "file_name": name, "width": width, "height": height, "source": source})
        for shape, mask in zip(shapes, masks, strict=True):
            left, top, right, bottom = shape.box
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": number,
                    "category_id": 1 + names.index((shape.category, shape.supercategory)),
                    "segmentation": runs(mask),
                    "area": int(mask.sum()),
                    "bbox": [left, top, right - left, bottom - top],
                    "iscrowd": 0,
                }
            )
    (folder / "instances.json").write_text(json.dumps(content))
    return folder
