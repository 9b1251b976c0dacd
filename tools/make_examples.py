"""Make the example clips: slow camera moves over photographs that scikit-image ships and whose licence allows it.

    python tools/make_examples.py examples

Chelsea the cat: CC0, Stefan van der Walt. Eileen Collins, astronaut: NASA, public domain. Coffee: CC0, Rachel Michetti.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from vlp_rvos.video import VideoWriter

FRAMES, FPS = 48, 24
#: name -> photograph, output size, and the (left, top, width) of the view in the first and the last frame
CLIPS: dict[
    str, tuple[Callable[[], np.ndarray], tuple[int, int], tuple[float, float, float], tuple[float, float, float]]
] = {
    "cat": (data.chelsea, (480, 320), (0, 0, 330), (30, 10, 420)),
    "astronaut": (data.astronaut, (320, 400), (40, 0, 300), (20, 10, 390)),
    "coffee": (data.coffee, (480, 320), (140, 60, 380), (20, 0, 560)),
}


def view(photo: Image.Image, size: tuple[int, int], box: np.ndarray, angle: float) -> np.ndarray:
    """The photograph through a camera at `box` (left, top, width), turned by `angle` degrees."""
    left, top, width = box
    height = width * size[1] / size[0]
    turned = photo.rotate(angle, Image.Resampling.BICUBIC, center=(left + width / 2, top + height / 2))
    inset = 0.04 * width  # the corners that a rotation leaves empty stay outside
    region = (left + inset, top + inset, left + width - inset, top + height - inset)
    return np.asarray(turned.resize(size, Image.Resampling.LANCZOS, region))


def main(folder: Path) -> None:
    """Write every clip into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (photograph, size, first, last) in CLIPS.items():
        photo = Image.fromarray(photograph())
        with VideoWriter(folder / f"{name}.mp4", fps=FPS) as writer:
            for index in range(FRAMES):
                progress = 0.5 - 0.5 * np.cos(np.pi * index / (FRAMES - 1))
                box = (1 - progress) * np.array(first) + progress * np.array(last)
                writer.write(view(photo, size, box, 1.5 * np.sin(2 * np.pi * index / FRAMES)), index / FPS)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples"))
