"""Clips, cut-outs and pictures of plain colours, in which a mask can be found again by its colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from coco_folder import Shape, write_coco

from vlp_rvos.data.language.objects import Motion
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.synthesis.cutouts import Cutout
from vlp_rvos.data.synthesis.motion_paths import ObjectPath
from vlp_rvos.data.synthesis.scene_clip import LabelledObject, SceneClip
from vlp_rvos.data.synthesis.stills import StillBank

SIZE = (64, 96)
RED, BLUE, GREEN = (220, 20, 20), (20, 20, 220), (20, 200, 20)
PICTURE = [
    Shape("person", (30, 10, 70, 85), GREEN),
    Shape("dress", (35, 30, 65, 60), RED, "clothing"),
    Shape("car", (90, 30, 140, 70), BLUE),
]


def write_bank(folder: Path, pictures: list[list[Shape]] | None = None) -> StillBank:
    """A bank with one picture: a person in a red dress and a blue car; or with other pictures of 160 x 90 pixels."""
    return StillBank(CocoFolder(write_coco(folder / "coco", pictures or [PICTURE], source="street")))


def make_clip(frames: int = 4) -> SceneClip:
    """Grey frames without objects."""
    return SceneClip(torch.full((frames, 3, *SIZE), 128.0), np.zeros((frames, *SIZE), np.int16), [])


def make_cutout(colour: tuple[int, int, int], category: str = "car", side: int = 20) -> Cutout:
    """A square."""
    pixels = np.broadcast_to(np.array(colour, np.uint8), (1, side, side, 3)).copy()
    return Cutout(pixels, np.ones((1, side, side), np.int16), [LabelledObject(category, {1})])


def make_path(start: tuple[float, float], end: tuple[float, float] | None = None, frames: int = 4) -> ObjectPath:
    """A straight path; without an end, a stay."""
    end = end or start
    position = np.linspace(start, end, frames)
    motion = Motion(dx=(end[0] - start[0]) / SIZE[1], dy=(end[1] - start[1]) / SIZE[0])
    return ObjectPath(position, np.ones(frames), np.zeros(frames), motion)


def find_colour(frames: torch.Tensor, colour: tuple[int, int, int], tolerance: float = 60) -> np.ndarray:
    """(F, H, W) bool: the pixels of about this colour."""
    target = torch.tensor(colour, dtype=torch.float32)[None, :, None, None]
    return ((frames.float() - target).abs().amax(1) < tolerance).numpy()


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((a & b).sum() / max((a | b).sum(), 1))
