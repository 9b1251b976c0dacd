"""The grounding probe, of predictors that know the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from held_out import held_out_mixture
from numpy.typing import NDArray

from vlp_rvos.data.mixture import Mixture
from vlp_rvos.data.object_pairs import PAIR_KINDS
from vlp_rvos.evaluation.grounding_probe import absent_caught, probe_grounding


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    return held_out_mixture(tmp_path_factory.mktemp("data") / "stills")


@dataclass
class Answer:
    masks: NDArray[np.bool_]
    presences: NDArray[np.float32]

    @property
    def scores(self) -> NDArray[np.float32]:
        return self.presences


class Oracle:
    """Recognizes every clip by its pixels.

    Args:
        mixture: the source of the clips.
        swapped: answer with the mask of the other object of a pair.
        presence: of an object that is in a frame; 0 otherwise.
    """

    def __init__(self, mixture: Mixture, swapped: bool = False, presence: float = 1.0) -> None:
        self.masks: dict[bytes, NDArray[np.bool_]] = {}
        for index in range(6):
            sample = mixture.sample(index)
            frames = np.ascontiguousarray(sample.frames.permute(0, 2, 3, 1).numpy())
            self.masks[frames.tobytes()] = sample.masks.numpy()
        for make in PAIR_KINDS.values():
            for index in range(3):
                pair = make(mixture, index)
                self.masks[pair.frames.tobytes()] = pair.masks[::-1] if swapped else pair.masks
        self.presence = presence

    def __call__(self, frames: Iterable[NDArray[np.uint8]], expressions: list[str]) -> Iterator[Answer]:
        masks = self.masks[np.ascontiguousarray(np.stack(list(frames))).tobytes()]
        for frame in range(masks.shape[1]):
            present = masks[:, frame].any((1, 2)) * self.presence
            yield Answer(masks[:, frame], present.astype(np.float32))


def test_a_model_that_follows_the_words_is_right(mixture: Mixture) -> None:
    clips: list[int] = []
    result = probe_grounding(Oracle(mixture), mixture, pairs=3, samples=6, on_clip=clips.append)
    assert clips == list(range(1, 3 + 3 + 6 + 1))
    assert all((scores.right, scores.iou, scores.count) == (1.0, 1.0, 6) for scores in result.pairs.values())
    assert result.absent > 0
    assert (result.threshold, result.absent_caught) == (1.0, 1.0)


def test_a_model_that_takes_the_other_object_is_wrong(mixture: Mixture) -> None:
    result = probe_grounding(Oracle(mixture, swapped=True, presence=0.0), mixture, pairs=3, samples=6)
    assert all((scores.right, scores.iou) == (0.0, 0.0) for scores in result.pairs.values())
    assert result.absent_caught == 0.0, "without a difference in presence, no absent object is caught"
    assert set(result.to_json()) == {"pairs", "presence"}


def test_the_threshold_accepts_nineteen_of_twenty_present_objects() -> None:
    present = [0.1] + [0.5] * 19
    threshold, caught = absent_caught(present, [0.2, 0.4, 0.6, 0.7])
    assert sum(presence >= threshold for presence in present) == 19
    assert caught == 0.5
    assert absent_caught(present, []) == (threshold, 0.0)
