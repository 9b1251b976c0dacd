"""Make the example clips: slow camera moves over photographs that scikit-image ships and whose licence allows it.

    python tools/make_examples.py examples

Chelsea the cat: CC0, Stefan van der Walt. Eileen Collins, astronaut: NASA, public domain. Coffee: CC0, Rachel Michetti.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from skimage import data

from vlp_rvos.media.video_writer import VideoWriter

FRAMES, FPS = 48, 24
Outline = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Clip:
    """A camera move over a photograph.

    Attributes:
        photograph: gives (H, W, 3) uint8 RGB.
        size: (width, height) of the clip.
        first, last: (left, top, width) of the view in the first and the last frame.
        things: name -> rough outline of what the photograph shows, (x, y); `tools/gallery.py` judges by it.
    """

    photograph: Callable[[], np.ndarray]
    size: tuple[int, int]
    first: tuple[float, float, float]
    last: tuple[float, float, float]
    things: dict[str, Outline] = field(default_factory=dict)

    def frames(self, photo: Image.Image) -> Iterator[np.ndarray]:
        """The camera's view of a picture of the photograph's size, frame by frame."""
        for index in range(FRAMES):
            progress = 0.5 - 0.5 * np.cos(np.pi * index / (FRAMES - 1))
            box = (1 - progress) * np.array(self.first) + progress * np.array(self.last)
            yield view(photo, self.size, box, 1.5 * np.sin(2 * np.pi * index / FRAMES))

    def masks(self, thing: str) -> Iterator[np.ndarray]:
        """(H, W) bool, roughly where a thing is, frame by frame."""
        height, width = self.photograph().shape[:2]
        drawn = Image.new("L", (width, height))
        ImageDraw.Draw(drawn).polygon([tuple(point) for point in self.things[thing]], fill=255)
        return (frame > 127 for frame in self.frames(drawn))


CLIPS: dict[str, Clip] = {
    "cat": Clip(
        data.chelsea,
        (480, 320),
        (0, 0, 330),
        (30, 10, 420),
        {
            "cat": [
                *((38, 0), (385, 0), (390, 12), (365, 45), (352, 60), (358, 110), (352, 150), (340, 200)),
                *((320, 245), (285, 275), (250, 300), (0, 300), (0, 150), (25, 110), (35, 60)),
            ]
        },
    ),
    "astronaut": Clip(
        data.astronaut,
        (320, 400),
        (40, 0, 300),
        (20, 10, 390),
        {
            "person": [
                *((155, 60), (180, 25), (225, 14), (275, 25), (300, 70), (295, 120), (270, 135), (258, 175)),
                *((290, 190), (305, 230), (300, 260), (335, 275), (355, 310), (362, 350), (330, 380), (300, 410)),
                *((280, 450), (278, 512), (30, 512), (25, 440), (35, 310), (60, 260), (115, 232), (113, 190)),
                *((150, 150), (165, 148), (180, 120), (160, 105)),
            ],
            "helmet": [
                *((278, 512), (280, 450), (300, 405), (335, 365), (380, 345), (430, 350), (475, 380), (500, 440)),
                (505, 512),
            ],
            "shuttle": [
                *((395, 0), (440, 0), (445, 60), (452, 160), (460, 280), (365, 285), (360, 250), (365, 200)),
                *((385, 110), (392, 60)),
            ],
        },
    ),
    "coffee": Clip(
        data.coffee,
        (480, 320),
        (140, 60, 380),
        (20, 0, 560),
        {
            "cup": [
                *((172, 85), (185, 55), (230, 25), (290, 15), (350, 28), (400, 70), (408, 110), (395, 190)),
                *((375, 240), (330, 270), (255, 280), (240, 305), (205, 305), (195, 280), (205, 240), (180, 175)),
            ],
            "spoon": [
                *((400, 68), (424, 72), (410, 130), (390, 215), (405, 255), (405, 300), (375, 325), (340, 322)),
                *((325, 295), (330, 265), (370, 235), (390, 160)),
            ],
        },
    ),
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
    for name, clip in CLIPS.items():
        with VideoWriter(folder / f"{name}.mp4", fps=FPS) as writer:
            for index, frame in enumerate(clip.frames(Image.fromarray(clip.photograph()))):
                writer.write(frame, index / FPS)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples"))
