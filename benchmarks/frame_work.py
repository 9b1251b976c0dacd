"""Work on every frame beside the model, against the ordinary way of doing it.

    python benchmarks/frame_work.py --threads 2 --json frame-work.json

Resizing to the size of the network input in whole bytes, against the same in floats. The mask image of one object with
one bit per pixel, against the eight bits that Pillow writes. All forms take turns on the same frames.
"""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from benchmark_options import benchmark_parser, parse_options
from PIL import Image

from vlp_rvos.inference.upsampling import resize_image
from vlp_rvos.media.palette import davis_palette, palette_png
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately

INPUT, CLOSER = (288, 512), (384, 704)


def resized_floats(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> torch.Tensor:
    """(H, W, 3) uint8 -> (1, 3, h, w) float32."""
    picture = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    return F.interpolate(picture, size, mode="bilinear", align_corners=False, antialias=True)


def pillow_png(labels: npt.NDArray[np.uint8]) -> bytes:
    """(H, W) object ids -> a PNG in the DAVIS palette."""
    image, target = Image.fromarray(labels), io.BytesIO()
    image.putpalette(davis_palette().tobytes())
    image.save(target, "PNG", compress_level=1)
    return target.getvalue()


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=20, threads=2, plot=True)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    arguments = parse_options(parser)
    size = (arguments.height, arguments.width)
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    scaled = np.ascontiguousarray(frame[: CLOSER[0], : CLOSER[1]])
    rows, columns = np.mgrid[: size[0], : size[1]]
    disc = np.hypot(rows - size[0] / 2, columns - size[1] / 2) < size[0] / 4
    top, left = (int(np.flatnonzero(disc.any(axis))[0]) for axis in (1, 0))
    part = disc[disc.any(1)][:, disc.any(0)].astype(np.uint8)
    forms = {
        "whole frame": partial(resize_image, frame, INPUT),
        "whole frame, floats": partial(resized_floats, frame, INPUT),
        "closer frame": partial(resize_image, scaled, INPUT),
        "closer frame, floats": partial(resized_floats, scaled, INPUT),
        "mask image": partial(palette_png, part, (top, left), size, 1),
        "mask image, Pillow": partial(pillow_png, disc.astype(np.uint8)),
    }
    seconds = time_alternately(forms, arguments.rounds)
    name = "{1}x{0}".format(*size)
    small, closer = ("{1}x{0}".format(*side) for side in (INPUT, CLOSER))
    found = [
        Measurement(
            f"a frame of {name} to {small}, bytes / floats", seconds["whole frame"] / seconds["whole frame, floats"]
        ),
        Measurement(f"{closer} to {small}, bytes / floats", seconds["closer frame"] / seconds["closer frame, floats"]),
        Measurement(f"mask image of {name}, ours / Pillow's", seconds["mask image"] / seconds["mask image, Pillow"]),
    ]
    details = {"rounds": arguments.rounds, "median_seconds": seconds}
    write_report(found, details, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
