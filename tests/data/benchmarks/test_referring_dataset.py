"""What every data set does with the objects of an expression."""

from __future__ import annotations

import numpy as np
from referring import HEIGHT, WIDTH, InMemoryDataset

from vlp_rvos.data.benchmarks.referring_dataset import ReferringExpression


def load(object_ids: tuple[int, ...] | None, dataset: InMemoryDataset) -> np.ndarray | None:
    return dataset.load_mask("v0", "01", ReferringExpression("0", "x", object_ids))


def test_the_mask_of_an_expression_is_the_union_of_its_objects() -> None:
    dataset = InMemoryDataset()
    ids = dataset.ids["v0"][1]
    np.testing.assert_array_equal(load((1, 3), dataset), np.isin(ids, (1, 3)))
    np.testing.assert_array_equal(load((), dataset), np.zeros((HEIGHT, WIDTH), bool))
    # An object that is in no frame.
    np.testing.assert_array_equal(load((9,), dataset), np.zeros((HEIGHT, WIDTH), bool))
    assert load(None, dataset) is None


class WithoutAnnotation(InMemoryDataset):
    def load_objects(self, video: str, frame: str) -> dict[int, np.ndarray] | None:  # type: ignore[override]
        return None if frame == "01" else {}


def test_frames_without_annotation_and_without_objects() -> None:
    dataset = WithoutAnnotation()
    assert load((1,), dataset) is None
    mask = dataset.load_mask("v0", "02", ReferringExpression("0", "x", ()))
    np.testing.assert_array_equal(mask, np.zeros((HEIGHT, WIDTH), bool))
