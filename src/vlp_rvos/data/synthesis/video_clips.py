"""Training clips from real videos with expressions, in the Ref-YouTube-VOS layout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vlp_rvos.data.language.invariance import mentions_motion, mirror_expression
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset, check_sizes
from vlp_rvos.data.synthesis.camera import apply_camera, draw_camera
from vlp_rvos.data.synthesis.label_maps import LabelMap, Pixels, find_bounds
from vlp_rvos.data.synthesis.scene_clip import LabelledObject, SceneClip

__all__ = ["draw_video_clip"]

_MAX_STRIDE = 4
_WINDOW_TRIES = 4


def draw_video_clip(
    dataset: YTVOSDataset, video: VideoEntry, frames: int, size: tuple[int, int], rng: np.random.Generator
) -> SceneClip | None:
    """Draws a window of a video, with random stride, start, crop and mirroring, and sometimes played backwards.

    In a mirrored window, left and right change places in the expressions. A backward window loses the expressions that
    mention motion.

    Args:
        dataset: The data set of the video.
        video: One of `dataset.videos`; some of its expressions name their object.
        frames: Number of frames; a shorter video is held at its last frame.
        size: (H, W) of the frames.
        rng: Source of all choices.

    Returns:
        The clip with all annotated objects that the window shows, or None when no window shows an object with an
        expression.

    Raises:
        UserError: A frame or its annotation cannot be read.
    """
    expressions: dict[int, list[str]] = defaultdict(list)
    for expression in video.expressions:
        if expression.is_usable:
            assert expression.object_id is not None
            expressions[expression.object_id].append(expression.text)
    backwards, mirrored = rng.random() < 0.12, rng.random() < 0.5
    for _ in range(_WINDOW_TRIES):
        names = _draw_window(video.frames, frames, rng)
        middle = dataset.load_ids(video.name, names[frames // 2])
        present = [object_id for object_id in expressions if (middle == object_id).any()]
        if present:
            break
    else:
        return None
    if backwards:
        names = names[::-1]
    # Much larger pictures than needed are reduced while they are read.
    shrink = max(1, min(middle.shape[0] // size[0], middle.shape[1] // size[1]))
    pixels, labels = _load(dataset, video.name, names, shrink)
    if mirrored:
        pixels, labels = pixels[:, :, ::-1], np.ascontiguousarray(labels[:, :, ::-1])
    focus = find_bounds(labels == int(rng.choice(present)))
    if focus is None:
        return None
    camera = draw_camera(labels.shape[1:], size, frames, rng, focus, zoom=(0.6, 1.0))
    moved, moved_labels = apply_camera(pixels, labels, camera)
    objects = []
    for object_id in np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1:
        texts = [mirror_expression(t) if mirrored else t for t in expressions.get(int(object_id), [])]
        texts = [text for text in texts if not (backwards and mentions_motion(text))]
        objects.append(
            LabelledObject(
                category="",
                labels={int(object_id)},
                motion=None,
                expressions=tuple(texts),
                referable=bool(texts),
                depth=0,
                weight=3.0,
                kind="video",
            )
        )
    return SceneClip(moved, moved_labels, objects)


def _draw_window(names: Sequence[str], frames: int, rng: np.random.Generator) -> list[str]:
    """The names of `frames` frames at a random stride from a random start."""
    longest = max(1, min(_MAX_STRIDE, (len(names) - 1) // max(frames - 1, 1)))
    stride = int(rng.integers(1, longest + 1))
    start = int(rng.integers(max(len(names) - stride * (frames - 1), 1)))
    return [names[min(start + stride * f, len(names) - 1)] for f in range(frames)]


def _load(dataset: YTVOSDataset, video: str, names: Sequence[str], shrink: int) -> tuple[Pixels, LabelMap]:
    """Frames (F, h, w, 3), and their object ids (F, h, w) as a label map, both `shrink` times smaller than on disk."""
    frames = [dataset.load_frame(video, name) for name in names]
    check_sizes(frames, names, video)
    images = [Image.fromarray(frame) for frame in frames]
    pixels = np.stack([np.asarray(image.reduce(shrink) if shrink > 1 else image) for image in images])
    height, width = pixels.shape[1:3]
    ids = np.stack([dataset.load_ids(video, name)[shrink // 2 :: shrink, shrink // 2 :: shrink] for name in names])
    labels = ids[:, :height, :width].astype(np.int16)
    # Reducing rounds the size up, taking every n-th pixel may round it down.
    missing = ((0, 0), (0, height - labels.shape[1]), (0, width - labels.shape[2]))
    return pixels, np.pad(labels, missing, mode="edge")
