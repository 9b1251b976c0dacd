"""Make the example clips: slow camera moves over photographs whose licence allows it.

    python tools/make_examples.py examples                          # the clips whose photographs scikit-image ships
    python tools/make_examples.py examples --photographs FOLDER     # all of them; the others are FOLDER/<clip>.webp

Chelsea the cat: CC0, Stefan van der Walt. Eileen Collins, astronaut: NASA, public domain. Coffee: CC0, Rachel Michetti.
The others are from Wikimedia Commons, 1024 pixels wide, as the Debian package `gcompris-qt-data` carries them. Polar
bear: "Polar Bear AdF", CC BY-SA 4.0, Arturo de Frias Marques. Hens: "Chickens at Tranquilles B&B", public domain,
Tranquilles. Cows: "Cow-IMG 2050", public domain, Dohduhdah.
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
        photograph: function that returns the photograph, (H, W, 3) uint8 RGB; None where it is a file.
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

    def masks(self, *things: str) -> Iterator[np.ndarray]:
        """(H, W) bool, roughly where things are, frame by frame."""
        drawn = Image.new("L", self.extent)
        for thing in things:
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
    "hens": Clip(
        None,
        (1024, 683),
        (480, 320),
        (10, 15, 990),
        (0, 0, 1024),
        {
            "first hen": [
                *((85, 190), (78, 180), (83, 140), (110, 123), (122, 140), (155, 142), (178, 175), (185, 215)),
                *((215, 270), (220, 310), (213, 420), (205, 470), (175, 500), (100, 505), (60, 480), (42, 440)),
                *((45, 390), (55, 340), (60, 290), (80, 250), (90, 205)),
            ],
            "second hen": [
                *((485, 135), (490, 100), (503, 75), (518, 100), (520, 125), (545, 155), (565, 200), (560, 245)),
                *((545, 280), (530, 300), (525, 365), (490, 370), (470, 395), (478, 440), (465, 442), (462, 400)),
                *((440, 430), (440, 470), (435, 505), (410, 497), (400, 470), (390, 420), (375, 370), (372, 300)),
                *((390, 255), (440, 215), (442, 185)),
            ],
            "third hen": [
                *((600, 195), (640, 125), (660, 160), (662, 205), (690, 205), (708, 220), (712, 245), (690, 275)),
                *((678, 280), (690, 320), (695, 370), (680, 440), (655, 470), (643, 475), (650, 555), (630, 555)),
                *((630, 475), (600, 462), (578, 462), (580, 520), (565, 525), (563, 460), (540, 440), (522, 400)),
                *((525, 340), (540, 290), (555, 245), (570, 215)),
            ],
            "fourth hen": [
                *((757, 215), (755, 185), (775, 150), (800, 130), (815, 150), (820, 205), (850, 235), (875, 290)),
                *((930, 340), (960, 370), (970, 410), (975, 470), (985, 520), (992, 550), (990, 585), (975, 600)),
                *((950, 585), (900, 550), (860, 520), (830, 510), (825, 580), (810, 570), (800, 528), (780, 510)),
                *((740, 455), (715, 410), (703, 370), (712, 335), (735, 315), (738, 270)),
            ],
        },
    ),
    "cows": Clip(
        None,
        (1024, 768),
        (480, 320),
        (0, 60, 1024),
        (40, 50, 970),
        {
            "cow in front": [
                *((235, 445), (245, 420), (265, 370), (260, 345), (275, 335), (298, 312), (320, 330), (345, 332)),
                *((400, 322), (430, 310), (480, 297), (560, 295), (700, 303), (820, 297), (885, 295), (905, 310)),
                *((920, 360), (925, 500), (925, 600), (922, 675), (900, 685), (898, 600), (860, 520), (850, 580)),
                *((815, 640), (785, 685), (757, 685), (790, 620), (800, 545), (740, 525), (690, 540), (600, 532)),
                *((540, 515), (535, 600), (535, 680), (515, 692), (500, 685), (510, 640), (500, 600), (495, 560)),
                *((490, 620), (475, 680), (445, 685), (455, 650), (460, 600), (460, 550), (420, 535), (400, 500)),
                *((385, 470), (350, 445), (330, 450), (290, 462), (265, 475), (240, 465)),
            ],
            "left cow behind": [
                *((262, 252), (272, 250), (280, 205), (300, 183), (390, 181), (425, 190), (415, 265), (388, 275)),
                *((385, 255), (340, 258), (320, 275), (310, 255), (298, 260), (290, 280), (275, 278)),
            ],
            "right cow behind": [
                *((808, 240), (825, 215), (845, 190), (908, 188), (910, 260), (890, 268), (880, 235), (860, 240)),
                *((850, 270), (838, 262), (832, 250), (812, 258)),
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
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help="photographs that scikit-image lacks")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, clip in CLIPS.items():
        if clip.photograph is not None:
            photo = Image.fromarray(clip.photograph())
        elif options.photographs is not None:
            photo = Image.fromarray(read_upright_rgb(options.photographs / f"{name}.webp"))
        else:
            continue
        if photo.size != clip.extent:
            parser.error(f"the photograph of {name} must have {clip.extent[0]}x{clip.extent[1]} pixels")
        encode(options.folder / f"{name}.mp4", clip.frames(photo), clip.size)


if __name__ == "__main__":
    main()
