"""The output of `vlp-rvos segment` for a tiny made-up video, with the video itself."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from clips import FPS, write_folder, write_video
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.results import FrameResult

TEXTS = ("the dog / that jumps", 'a "red" <car> & more')
RATE = 48000


def images(number: int, size: tuple[int, int]) -> list[Image]:
    """Smooth colourful images, which compress with little loss; `size` is (width, height)."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    planes = (255 * x / width, 255 * y / height, np.full((height, width), 120.0))
    image = np.stack(planes, axis=-1).astype(np.uint8)
    return [np.clip(image.astype(int) + 4 * i, 0, 255).astype(np.uint8) for i in range(number)]


def masks_of(index: int, size: tuple[int, int]) -> np.ndarray:
    """(2, H, W): a moving box, with a hole, and one that overlaps it. In the third frame nothing is there."""
    width, height = size
    masks = np.zeros((2, height, width), bool)
    if index != 2:
        masks[0, 3 : height - 5, 4 + index : width // 2 + index] = True
        masks[0, 8:10, 9 + index : 12 + index] = False
        masks[1, height // 2 :, width // 3 :] = True
    return masks


def results(video: Path, texts: Sequence[str] = TEXTS, **options: float) -> list[FrameResult]:
    """Made-up results for the frames of a video."""
    source = open_video(video, **options)  # type: ignore[arg-type]
    size = (source.info.width, source.info.height)
    scores = np.array([0.25, 0.5], np.float32)
    return [
        FrameResult(x.index, x.time, x.image, masks_of(x.index, size), scores, scores, tuple(texts), x.name)
        for x in source
    ]


def write_out(folder: Path, video: Path, texts: Sequence[str] = TEXTS, **options: float) -> list[FrameResult]:
    """Write masks.json as `vlp-rvos segment` does, and return its results."""
    folder.mkdir(exist_ok=True)
    made = results(video, texts, **options)
    with MasksJsonWriter(folder / "masks.json", open_video(video).info, texts, "mini", "1") as writer:
        for result in made:
            writer.write(result)
    return made


def make_video(path: Path, number: int = 5, size: tuple[int, int] = (64, 48)) -> Path:
    """A video file."""
    return write_video(path, images(number, size))


def make_frames(path: Path, number: int = 5, size: tuple[int, int] = (33, 27)) -> Path:
    """A folder of frames, of odd size."""
    return write_folder(path, images(number, size))


def make_picture(path: Path) -> Path:
    """A picture, of odd size."""
    PillowImage.fromarray(images(1, (33, 27))[0]).save(path)
    return path


def make_moving_picture(path: Path, number: int = 3) -> Path:
    """A picture file that moves, of odd size."""
    first, *others = map(PillowImage.fromarray, images(number, (33, 27)))
    first.save(path, save_all=True, append_images=others, duration=100)
    return path


def make_beeping_video(path: Path, beeps: Sequence[float], seconds: float = 2.0) -> Path:
    """A video with a tone of 50 ms at each of the given times."""
    pictures = images(round(seconds * FPS), (64, 48))
    samples = np.arange(round(seconds * RATE)) / RATE
    on = np.zeros(samples.shape, bool)
    for beep in beeps:
        on |= (samples >= beep) & (samples < beep + 0.05)
    tone = (0.5 * np.sin(2 * np.pi * 1000 * samples) * on).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for i, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for start in range(0, len(tone), 1024):
            block = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = RATE, start, Fraction(1, RATE)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def beeps_of(path: Path) -> list[float]:
    """Times in seconds at which tones begin."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        pieces = [x.to_ndarray()[0] for frame in container.decode(audio=0) for x in resampler.resample(frame)]
    loud = np.flatnonzero(np.abs(np.concatenate(pieces)) > 0.2)
    first = np.concatenate([[True], np.diff(loud) > RATE // 20])
    return [float(x) for x in loud[first] / RATE]
