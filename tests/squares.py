"""Masks of squares, a data set of moving squares, and a predictor that finds them by their colour."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from referring import Prediction

from vlp_rvos.data.sources.ytvos import YTVOSDataset

HEIGHT, WIDTH = 30, 40


def box(y: int, x: int, side: int = 10) -> np.ndarray:
    """Mask (HEIGHT, WIDTH) of a square."""
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def save_mask(path: Path, mask: np.ndarray, value: int = 255) -> None:
    """Write a mask as an image of 0 and `value`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * value).save(path)


class SquareFinder:
    """Finds squares by colour: "red" in the red channel, "blue" in the blue one; nothing else. Reads frames lazily.

    Attributes:
        expressions: the expressions of each call.
    """

    def __init__(self) -> None:
        self.expressions: list[list[str]] = []

    def __call__(self, frames: Iterable[np.ndarray], expressions: list[str]) -> Iterator[Prediction]:
        self.expressions.append(expressions)
        for frame in frames:
            channels = [{"red": 0, "blue": 2}.get(text) for text in expressions]
            masks = [np.zeros(frame.shape[:2], bool) if c is None else frame[..., c] > 128 for c in channels]
            found = np.array([mask.any() for mask in masks], dtype=np.float32)
            yield Prediction(np.stack(masks), found, found / 2)


def video_entry(expressions: dict[str, tuple[str, int | None]], frames: int = 4) -> dict[str, Any]:
    """A video of `meta_expressions.json`.

    Args:
        expressions: id -> text and object id.
        frames: number of frames.
    """
    named = {key: {"exp": text} | ({"obj_id": i} if i else {}) for key, (text, i) in expressions.items()}
    return {"expressions": named, "frames": [f"{t:05d}" for t in range(frames)]}


def write_squares(folder: Path, videos: dict[str, Any]) -> YTVOSDataset:
    """Write videos in the Ref-YouTube-VOS layout; object 1 is a red square, object 2 a blue one."""
    for video, content in videos.items():
        for t, frame in enumerate(content["frames"]):
            red, blue = box(4, 2 + t), box(18, 20 - t)
            pixels = np.stack([red, np.zeros_like(red), blue], axis=-1).astype(np.uint8) * 255
            path = folder / "JPEGImages" / video / f"{frame}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path, quality=100, subsampling=0)
            save_mask(folder / "Annotations" / video / f"{frame}.png", red + blue * np.uint8(2), value=1)
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": videos}))
    return YTVOSDataset(folder)


def write_two_videos(folder: Path) -> YTVOSDataset:
    """Four expressions of one object, two expressions of two objects, and a video without expressions."""
    four = {str(i): (text, 1) for i, text in enumerate(("red", "red", "green", "blue"))}
    two = {"7": ("red", 1), "8": ("blue", 2)}
    videos = {"four": video_entry(four), "two": video_entry(two, frames=3), "none": video_entry({})}
    return write_squares(folder, videos)


def write_mask_folders(folder: Path) -> tuple[Path, Path]:
    """Folders of predicted and of true masks: two videos of four frames, one square each."""
    for v, video in enumerate(("dog", "cat")):
        for t in range(4):
            save_mask(folder / "gt" / video / f"{t:05d}.png", box(5, 5 + t))
            save_mask(folder / "pred" / video / f"{t:05d}.png", box(5 + v, 5 + 2 * t), value=3)
    return folder / "pred", folder / "gt"


def write_object_folders(folder: Path) -> tuple[Path, Path]:
    """Folders of predicted and of true object ids.

    One video has two objects, the other has one. The predictions also hold an id of no object; the last row of the
    truth is void.
    """
    for t in range(5):
        two = box(2, 2 + t) * 1 + box(15, 10 + t) * 2
        predicted = np.roll(two, t, axis=1) + box(20, 28, 5) * 7
        two[-1] = 255
        for name, true_ids, ids in (("two", two, predicted), ("one", np.minimum(two, 1), np.minimum(predicted, 1))):
            for kind, content in (("gt", true_ids), ("pred", ids)):
                path = folder / kind / name / f"{t:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image = Image.fromarray(content.astype(np.uint8))
                image.putpalette([0, 0, 0] * 256)
                image.save(path)
    return folder / "pred", folder / "gt"
