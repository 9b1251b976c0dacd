"""A tiny folder of described pictures, and a model that gives set answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from coco_folder import Shape, write_coco

RED, BLUE = (200, 30, 30), (30, 30, 200)
#: Two squares of 40 x 40 in the first picture, ids 1 and 2, one in the second, id 3.
PICTURES = [
    [Shape("car", (10, 20, 50, 60), RED), Shape("car", (60, 20, 100, 60), BLUE)],
    [Shape("dog", (0, 0, 40, 40), BLUE)],
]
EXPRESSIONS = {
    "images": {
        "picture1.png": {
            "objects": {"1": ["the red car", "the car on the left"], "2": ["the car next to the red one"]},
            "groups": [[[1, 2], "both cars"]],
            "absent": ["the bus", "the green car"],
        },
        "picture2.png": {"objects": {"3": ["the dog"]}},
    }
}
ALIKE = {"images": {"picture1.png": {"objects": {"2": ["second car from the left"]}, "absent": ["third car"]}}}


def write_described(folder: Path, **files: Any) -> Path:
    """Write the pictures, `expressions.json` and `alike.json`, or the files that are given by their names instead."""
    write_coco(folder, PICTURES)
    for name, content in (files or {"expressions": EXPRESSIONS, "alike": ALIKE}).items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def box_mask(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """A mask of the size of the pictures."""
    mask = np.zeros((90, 160), bool)
    mask[top:bottom, left:right] = True
    return mask


@dataclass
class Answer:
    masks: np.ndarray
    presences: np.ndarray
    scores: np.ndarray


def scripted(answers: Mapping[str, tuple[np.ndarray, float]]) -> Any:
    """A predictor that looks its mask and presence up by the expression."""

    def predict(frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Answer]:
        for _ in frames:
            masks, presences = zip(*(answers[text] for text in expressions), strict=True)
            yield Answer(np.stack(masks), np.array(presences), np.array(presences))

    return predict


LEFT, RIGHT = (10, 20, 50, 60), (60, 20, 100, 60)
#: A mask and a presence for every expression of the folder.
ANSWERS: dict[str, tuple[np.ndarray, float]] = {
    "the red car": (box_mask(*LEFT), 0.9),  # IoU 1
    "the car on the left": (box_mask(10, 20, 100, 60), 0.8),  # equal IoU with both cars: 1600 / 3600
    "the car next to the red one": (box_mask(*LEFT), 0.7),  # the other car
    "both cars": (box_mask(*LEFT), 0.6),  # 1600 / 3200
    "the bus": (box_mask(0, 0, 0, 0), 0.1),
    "the green car": (box_mask(*RIGHT), 0.75),
    "the dog": (box_mask(0, 0, 20, 40), 0.4),  # 800 / 1600
    "second car from the left": (box_mask(0, 0, 0, 0), 0.3),
    "third car": (box_mask(*LEFT), 0.2),
}
