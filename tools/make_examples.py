"""Make the example clips: slow camera moves over photographs whose licence allows it.

    python tools/make_examples.py examples                       # the clips whose photographs scikit-image ships
    python tools/make_examples.py examples --polar-bear FILE     # all of them

Chelsea the cat: CC0, Stefan van der Walt. Eileen Collins, astronaut: NASA, public domain. Coffee: CC0, Rachel Michetti.
Polar bear: CC BY-SA 4.0, Arturo de Frias Marques; the photograph is "Polar Bear AdF" of Wikimedia Commons in 1024 x 768
pixels, as the Debian package `gcompris-qt-data` carries it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw
from skimage import data

from vlp_rvos.media.image_files import read_upright_rgb

FRAMES, FPS = 48, 24
Outline = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Clip:
    """A camera move over a photograph.

    Attributes:
        photograph: function that returns the photograph, (H, W, 3) uint8 RGB; None where it is given as a file.
        extent: (width, height) of the photograph.
        size: (width, height) of the clip.
        first, last: (left, top, width) of the view in the first and the last frame.
        things: name -> rough outline of what the photograph shows, (x, y); `tools/gallery.py` judges by it.
    """

    photograph: Callable[[], np.ndarray] | None
    extent: tuple[int, int]
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
        drawn = Image.new("L", self.extent)
        ImageDraw.Draw(drawn).polygon([tuple(point) for point in self.things[thing]], fill=255)
        return (frame > 127 for frame in self.frames(drawn))


CLIPS: dict[str, Clip] = {
    "polar-bear": Clip(
        None,
        (1024, 768),
        (480, 320),
        (60, 150, 800),
        (0, 60, 1024),
        {
            "polar bear": [
                *((250, 540), (255, 470), (300, 462), (318, 440), (325, 370), (345, 320), (370, 290), (415, 262)),
                *((460, 253), (515, 256), (595, 280), (645, 268), (700, 292), (750, 312), (800, 320), (832, 350)),
                *((856, 398), (845, 412), (810, 418), (765, 418), (800, 500), (812, 545), (850, 570), (760, 568)),
                *((735, 545), (700, 490), (655, 450), (635, 448), (610, 480), (600, 570), (545, 572), (525, 520)),
                *((535, 450), (490, 438), (478, 540), (512, 558), (415, 550), (408, 500), (412, 470), (370, 498)),
                *((300, 525), (295, 543)),
            ]
        },
    ),
    "cat": Clip(
        data.chelsea,
        (451, 300),
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
        (512, 512),
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
        (600, 400),
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


def encode(path: Path, frames: Iterable[np.ndarray], size: tuple[int, int]) -> None:
    """Write an H.264 mp4 that is smaller than what the overlay's fast settings give."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "slow", "crf": "25"})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    """Write every clip whose photograph is at hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("examples"))
    parser.add_argument("--polar-bear", type=Path, metavar="FILE", help="the photograph of the polar bear")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, clip in CLIPS.items():
        if clip.photograph is not None:
            photo = Image.fromarray(clip.photograph())
        elif options.polar_bear is not None:
            photo = Image.fromarray(read_upright_rgb(options.polar_bear))
        else:
            continue
        if photo.size != clip.extent:
            parser.error(f"the photograph of {name} must have {clip.extent[0]}x{clip.extent[1]} pixels")
        encode(options.folder / f"{name}.mp4", clip.frames(photo), clip.size)


if __name__ == "__main__":
    main()
