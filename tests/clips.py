"""Tiny synthetic videos, as arrays, files and folders."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image

FPS = 10
ENCODERS = {
    "mp4": ("libx264", "yuv420p", Fraction(1, 90000)),
    "mov": ("libx264", "yuv420p", Fraction(1, 90000)),
    "mkv": ("libx264", "yuv420p", Fraction(1, 1000)),
    "ts": ("libx264", "yuv420p", Fraction(1, 90000)),
    "webm": ("libvpx", "yuv420p", Fraction(1, 1000)),
    "avi": ("mpeg4", "yuv420p", Fraction(1, FPS)),
    "gif": ("gif", "rgb8", Fraction(1, 100)),
}


def frames(number: int, size: tuple[int, int] = (64, 48)) -> list[Image]:
    """Grey images (H, W, 3), 10 levels brighter each, whose top left quarter is red; `size` is (width, height)."""
    width, height = size
    images = [np.full((height, width, 3), 40 + 10 * (i % 20), np.uint8) for i in range(number)]
    for image in images:
        image[: height // 2, : width // 2] = (220, 20, 20)
    return images


def brightness(image: np.ndarray) -> float:
    """Of the grey corner, which counts the frames that `frames` makes."""
    return float(image[-image.shape[0] // 4 :, -image.shape[1] // 4 :].mean())


def noise(number: int, size: tuple[int, int] = (64, 48)) -> list[Image]:
    """Images that do not compress, so that cutting the file cuts frames."""
    width, height = size
    return [np.random.default_rng(i).integers(0, 256, (height, width, 3), dtype=np.uint8) for i in range(number)]


def yuv_frame(size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """The first of `frames` as decoders give it."""
    return av.VideoFrame.from_ndarray(frames(1, size)[0], format="rgb24").reformat(format="yuv420p")


def write_video(
    path: Path,
    images: Sequence[Image],
    times: Sequence[float] | None = None,
    *,
    encoder: str | None = None,
    rotation: int = 0,
    mirror: bool = False,
    audio: bool = False,
    **options: str,
) -> Path:
    """Encode with PyAV, by the file's suffix; `options` are the container's."""
    kind = path.suffix[1:]
    name, pixels, tick = ENCODERS[kind]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(encoder or name, rate=FPS)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = tick
        if rotation or mirror:
            stream.set_display_rotation(rotation, hflip=mirror)
        sound = container.add_stream("aac", rate=8000, layout="mono") if audio else None
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round((i / FPS if times is None else times[i]) / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """A file that has sound and no video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_folder(path: Path, images: Sequence[Image], suffix: str = "png", pattern: str = "{:05d}") -> Path:
    """A folder with one image file for each frame."""
    path.mkdir(parents=True)
    for i, image in enumerate(images):
        PillowImage.fromarray(image).save(path / f"{pattern.format(i)}.{suffix}")
    return path


def cut(path: Path, share: float = 0.6) -> Path:
    """A copy of a file that ends early, beside it and with the same suffix."""
    data = path.read_bytes()
    short = path.with_name(f"cut{path.suffix}")
    short.write_bytes(data[: int(len(data) * share)])
    return short
