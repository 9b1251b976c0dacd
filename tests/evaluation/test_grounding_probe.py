"""Pairs of which words name one, and the measure made of them, on folders made here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from coco_folder import Shape, write_coco
from numpy.typing import NDArray

from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.pairs import PAIR_KINDS, category_pair, motion_pair
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.grounding_probe import measure_listening

COLOURS = [(220, 20, 20), (20, 20, 220), (20, 200, 20), (240, 220, 30)]


def _mixture(root: Path, categories: tuple[str, ...]) -> Mixture:
    rng = np.random.default_rng(0)
    pictures = []
    for index in range(24):
        x, y = (int(v) for v in rng.integers(8, 30, 2))
        pictures.append([Shape(categories[index % len(categories)], (x, y, x + 40, y + 30), COLOURS[index % 4])])
    write_coco(root, pictures)
    config = MixtureConfig(
        root=str(root.parent),
        sources=(Source("stills", root.name),),
        clip_length=3,
        height=64,
        width=96,
        hold_out_share=0.5,
    )
    return build_mixture(config, "holdout")


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    return _mixture(tmp_path_factory.mktemp("data") / "stills", ("dog", "car", "cat", "boat"))


def test_pairs_of_categories(mixture: Mixture) -> None:
    for index in range(5):
        pair = category_pair(mixture, index, frames=6)
        assert pair.frames.shape == (6, 64, 96, 3)
        assert pair.masks.shape == (2, 6, 64, 96)
        assert pair.masks.any((2, 3)).all()
        assert not (pair.masks[0] & pair.masks[1]).any()
        assert pair.expressions[0] != pair.expressions[1]
        again = category_pair(mixture, index, frames=6)
        assert np.array_equal(again.frames, pair.frames)


def test_pairs_that_differ_in_motion(mixture: Mixture) -> None:
    for index in range(5):
        pair = motion_pair(mixture, index, frames=6)
        left, right = (mask.any(1).argmax(1) for mask in (pair.masks[0], pair.masks[1]))
        assert left[-1] - left[0] < right[-1] - right[0]
        assert pair.expressions[0].endswith("to the left")
        assert pair.expressions[0].replace("left", "right") == pair.expressions[1]


def test_a_single_category_makes_no_pair(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two categories"):
        category_pair(_mixture(tmp_path / "stills", ("dog",)), 0)


@dataclass
class Answer:
    masks: NDArray[np.bool_]
    presences: NDArray[np.float32]


class Oracle:
    """Knows the pairs by their pixels; `swapped` gives the other thing's mask. Presence tells nothing of the rest."""

    def __init__(self, mixture: Mixture, swapped: bool = False, present: float = 1.0) -> None:
        self.known = {}
        for make in PAIR_KINDS.values():
            for index in range(3):
                pair = make(mixture, index)
                self.known[pair.frames.tobytes()] = pair.masks[::-1] if swapped else pair.masks
        self.truth: dict[bytes, NDArray[np.bool_]] = {}
        for index in range(6):
            sample = mixture.sample(index)
            frames = np.ascontiguousarray(sample.frames.permute(0, 2, 3, 1).numpy())
            self.truth[frames.tobytes()] = sample.masks.numpy()
        self.present = present

    def __call__(self, frames: Iterable[NDArray[np.uint8]], expressions: list[str]) -> Iterator[Answer]:
        key = np.ascontiguousarray(np.stack(list(frames))).tobytes()
        masks = self.known[key] if key in self.known else self.truth[key]
        for frame in range(masks.shape[1]):
            there = masks[:, frame].any((1, 2)) * self.present
            yield Answer(masks[:, frame], there.astype(np.float32))


def test_who_listens_is_right(mixture: Mixture) -> None:
    result = measure_listening(Oracle(mixture), mixture, pairs=3, samples=6)
    assert all((scores.right, scores.iou, scores.count) == (1.0, 1.0, 6) for scores in result.pairs.values())
    assert result.absent > 0
    assert (result.threshold, result.absent_caught) == (1.0, 1.0)


def test_who_does_not_is_wrong(mixture: Mixture) -> None:
    result = measure_listening(Oracle(mixture, swapped=True, present=0.0), mixture, pairs=3, samples=6)
    assert all((scores.right, scores.iou) == (0.0, 0.0) for scores in result.pairs.values())
    assert result.absent_caught == 0.0, "what is not told apart cannot be caught"
