"""Training clips from real videos with expressions, in the Ref-YouTube-VOS layout."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from PIL import Image

from vlp_rvos.data.language.paraphrase import flip_words, tells_motion
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset
from vlp_rvos.data.synthesis.pseudo_clips import affine_clip, random_camera
from vlp_rvos.data.synthesis.scenes import Part, SceneClip

__all__ = ["video_clip"]

_MAX_STRIDE = 4
_WINDOW_TRIES = 4


def video_clip(
    dataset: YTVOSDataset, video: VideoEntry, frames: int, size: tuple[int, int], rng: np.random.Generator
) -> SceneClip | None:
    """A window of a video: random stride, start, crop and mirroring; sometimes backwards.

    In a mirrored window left and right change places in the expressions; in a backward one, expressions that tell of
    motion are dropped.

    Args:
        dataset: where the video is.
        video: one of `dataset.videos`, with expressions that name their object.
        frames: length of the window; a shorter video is held at its last frame.
        size: (H, W) of the result.
        rng: source of all choices.

    Returns:
        The clip with one part for every object that has expressions, or None when no window shows one.

    Raises:
        UserError: a frame or its annotation cannot be read.
    """
    phrases: dict[int, list[str]] = defaultdict(list)
    for expression in video.expressions:
        if expression.object_id is not None:
            phrases[expression.object_id].append(expression.text)
    backwards, mirrored = rng.random() < 0.12, rng.random() < 0.5
    for _ in range(_WINDOW_TRIES):
        names = _window(video.frames, frames, rng)
        middle = dataset.load_ids(video.name, names[frames // 2])
        present = [k for k in phrases if (middle == k).any()]
        if present:
            break
    else:
        return None
    if backwards:
        names = names[::-1]
    shrink = max(1, min(middle.shape[0] // size[0], middle.shape[1] // size[1]))
    images = [Image.fromarray(dataset.load_frame(video.name, name)) for name in names]
    pixels = np.stack([np.asarray(image.reduce(shrink) if shrink > 1 else image) for image in images])
    height, width = pixels.shape[1:3]
    ids = np.stack([dataset.load_ids(video.name, name)[shrink // 2 :: shrink, shrink // 2 :: shrink] for name in names])
    labels = ids[:, :height, :width].astype(np.int16)
    if labels.shape[1:] != (height, width):
        missing = ((0, 0), (0, height - labels.shape[1]), (0, width - labels.shape[2]))
        labels = np.pad(labels, missing, mode="edge")
    if mirrored:
        pixels, labels = pixels[:, :, ::-1], np.ascontiguousarray(labels[:, :, ::-1])
    focus = labels == int(rng.choice(present))
    rows, columns = np.flatnonzero(focus.any((0, 2))), np.flatnonzero(focus.any((0, 1)))
    if not rows.size:
        return None
    box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
    camera = random_camera((height, width), size, frames, rng, box, zoom=(0.6, 1.0))
    moved, warped = affine_clip(pixels, labels, camera)
    parts = []
    for k in np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1:
        texts = [flip_words(text) if mirrored else text for text in phrases.get(int(k), [])]
        texts = [text for text in texts if not (backwards and tells_motion(text))]
        parts.append(
            Part(
                "", {int(k)}, motion=None, phrases=tuple(texts), askable=bool(texts), depth=0, weight=3.0, kind="video"
            )
        )
    return SceneClip(moved, warped, parts)


def _window(names: list[str], frames: int, rng: np.random.Generator) -> list[str]:
    """`frames` names at a random stride from a random start."""
    longest = max(1, min(_MAX_STRIDE, (len(names) - 1) // max(frames - 1, 1)))
    stride = int(rng.integers(1, longest + 1))
    start = int(rng.integers(max(len(names) - stride * (frames - 1), 1)))
    return [names[min(start + stride * f, len(names) - 1)] for f in range(frames)]
