"""Objects cut out of videos, to be pasted elsewhere as they move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vlp_rvos.data.language.invariance import is_portable
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset, check_sizes
from vlp_rvos.data.synthesis.cutouts import Cutout
from vlp_rvos.data.synthesis.label_maps import find_bounds
from vlp_rvos.data.synthesis.scene_clip import LabelledObject

__all__ = ["MovingCutoutBank"]

_SMALLEST_SIDE = 16


@dataclass
class MovingCutoutBank:
    """The objects of videos that can be cut out and pasted elsewhere.

    Args:
        sources: Data sets, each with those of its videos that may be used.
    """

    sources: Sequence[tuple[YTVOSDataset, Sequence[VideoEntry]]]

    def draw(
        self,
        frames: int,
        rng: np.random.Generator,
        without: frozenset[str] = frozenset(),
        *,
        several: bool = False,
    ) -> Cutout | None:
        """Draws the objects of a video, in consecutive frames, sometimes mirrored.

        Args:
            frames: Number of frames.
            rng: Source of all choices.
            without: Names of videos that must not be used.
            several: Use only videos with more than one object.

        Returns:
            The cut-out, or None where no video is long enough, or the drawn frames do not always show every object.

        Raises:
            UserError: A frame or its annotation cannot be read.
        """
        choices = [
            (dataset, video, expressions)
            for dataset, video, expressions in self._portable
            if video.name not in without and len(video.frames) >= frames and len(expressions) > several
        ]
        if not choices:
            return None
        dataset, video, expressions = choices[int(rng.integers(len(choices)))]
        start = int(rng.integers(len(video.frames) - frames + 1))
        names = video.frames[start : start + frames]
        loaded = [dataset.load_ids(video.name, frame) for frame in names]
        check_sizes(loaded, names, video.name)
        ids = np.stack(loaded)
        labels = np.where(np.isin(ids, sorted(expressions)), ids, 0).astype(np.int16)
        always_visible = all((labels == label).any((1, 2)).all() for label in expressions)
        shown = np.asarray(labels.any(0))
        bounds = find_bounds(shown)
        if not always_visible or bounds is None or min(shown.any(0).sum(), shown.any(1).sum()) < _SMALLEST_SIDE:
            return None
        pixels = np.stack([dataset.load_frame(video.name, frame)[bounds.window] for frame in names])
        labels = labels[(slice(None), *bounds.window)]
        if rng.random() < 0.5:
            pixels, labels = pixels[:, :, ::-1], labels[:, :, ::-1]
        objects = [LabelledObject("", {label}, expressions=tuple(said)) for label, said in expressions.items()]
        return Cutout(np.ascontiguousarray(pixels), np.ascontiguousarray(labels), objects)

    @cached_property
    def _portable(self) -> list[tuple[YTVOSDataset, VideoEntry, dict[int, list[str]]]]:
        """The videos with expressions that stay true elsewhere, and those expressions by object id."""
        videos = [(dataset, video) for dataset, videos in self.sources for video in videos]
        return [(dataset, video, found) for dataset, video in videos if (found := _portable_expressions(video))]


def _portable_expressions(video: VideoEntry) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for expression in video.expressions:
        if expression.object_id is not None and expression.is_usable and is_portable(expression.text):
            found.setdefault(expression.object_id, []).append(expression.text)
    return found
