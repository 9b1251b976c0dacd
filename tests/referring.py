"""A data set in memory, and a predictor that knows the true masks. It imports little, so that processes start fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo

HEIGHT, WIDTH = 24, 32


def shifted(masks: np.ndarray) -> np.ndarray:
    """Masks (E, H, W), moved down and to the right: predictions that are partly wrong."""
    return np.roll(masks, (2, 3), axis=(1, 2))


@dataclass
class Prediction:
    masks: np.ndarray
    presences: np.ndarray
    scores: np.ndarray


class Oracle:
    """Predicts the true masks, or what `change` makes of the true masks (E, H, W) of a frame."""

    def __init__(self, dataset: ReferringDataset, change: Callable[[np.ndarray], np.ndarray] | None = None) -> None:
        self.dataset, self.change = dataset, change
        self.remaining = iter([video for video in dataset.videos if video.expressions])

    def __call__(self, frames: Iterable[np.ndarray], texts: list[str]) -> Iterator[Prediction]:
        video = next(self.remaining)
        assert texts == [expression.text for expression in video.expressions]
        for name, frame in zip(video.frames, frames, strict=True):
            truths = [self.dataset.load_mask(video.name, name, expression) for expression in video.expressions]
            masks = np.stack([np.zeros(frame.shape[:2], bool) if truth is None else truth for truth in truths])
            masks = masks if self.change is None else self.change(masks)
            yield Prediction(masks, np.full(len(texts), 0.5), np.linspace(0.9, 0.1, len(texts)))


class InMemoryDataset(ReferringDataset):
    """Random images of object ids, with one expression for each object, one for all and one for none."""

    name, split = "in-memory", "test"

    def __init__(self, number: int = 2, frames: int = 4, annotators: Sequence[str] = (), void: bool = False) -> None:
        generator = np.random.default_rng(0)
        self.videos = []
        self.ids: dict[str, np.ndarray] = {}
        self.void = void
        for v in range(number):
            ids = np.zeros((frames, HEIGHT, WIDTH), np.uint8)
            for t in range(frames):
                for i in range(1, 4):
                    y, x = generator.integers(0, HEIGHT - 10), generator.integers(0, WIDTH - 12)
                    ids[t, y : y + 10, x : x + 12] = i
            self.ids[f"v{v}"] = ids
            expressions = [
                ReferringExpression(f"{i}{a}", f"object {i} {a}", (i,), a or None)
                for a in annotators or [""]
                for i in range(1, 4)
            ]
            if not annotators:
                expressions += [ReferringExpression("all", "all", (1, 2, 3)), ReferringExpression("none", "none", ())]
                expressions.append(ReferringExpression("unknown", "nobody knows", None))
            self.videos.append(ReferringVideo(f"v{v}", [f"{t:02}" for t in range(frames)], expressions))

    def load_frame(self, video: str, frame: str) -> np.ndarray:
        return np.repeat(self.ids[video][int(frame)][..., None] * np.uint8(60), 3, axis=-1)

    def load_objects(self, video: str, frame: str) -> dict[int, np.ndarray]:
        return {i: self.ids[video][int(frame)] == i for i in range(1, 4)}


class DatasetWithVoid(InMemoryDataset):
    def load_void(self, video: str, frame: str) -> np.ndarray:
        void = np.zeros((HEIGHT, WIDTH), bool)
        void[:, 16 + int(frame) :] = True
        return void
