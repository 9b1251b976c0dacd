"""Sequences of pictures for editors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frame_results import result
from PIL import Image as PillowImage
from written_formats import BARE, RESULTS, files_in, written

from vlp_rvos.formats.image_sequences import ExrWriter, PngAlphaWriter


def test_cut_outs_of_all_together_have_numbers_without_gaps(tmp_path: Path) -> None:
    results = [replace(one, index=10 * one.index + 3) for one in RESULTS]
    folder = written(tmp_path / "a", PngAlphaWriter, results)
    assert files_in(folder) == {f"dog/dog_0000{i}.png" for i in range(3)}
    for i, one in enumerate(results):
        rgba, mask = np.asarray(PillowImage.open(folder / f"dog/dog_0000{i}.png")), one.masks.any(axis=0)
        assert np.array_equal(rgba[..., 3] == 255, mask)
        assert np.array_equal(rgba[..., :3], one.image * mask[..., None])


def test_each_expression_has_a_sequence_of_its_own(tmp_path: Path) -> None:
    results = [result(height=27, width=33)]
    folder = written(tmp_path / "a", PngAlphaWriter, results, each=True)
    names = ["01-the-dog-that-jumps", "02-a-red-car"]
    assert files_in(folder) == {f"{name}/{name}_00000.png" for name in names}
    for name, mask in zip(names, results[0].masks, strict=True):
        rgba = np.asarray(PillowImage.open(folder / name / f"{name}_00000.png"))
        assert np.array_equal(rgba[..., 3] == 255, mask)


def test_mattes(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    folder = written(tmp_path / "a", ExrWriter, BARE)
    assert files_in(folder) == {f"dog_0000{i}.exr" for i in range(3)}
    for i, one in enumerate(BARE):
        channels = exr.File(str(folder / f"dog_0000{i}.exr"), separate_channels=True).channels()
        assert set(channels) == {"A", "the-dog-that-jumps.A", "a-red-car.A"}
        assert np.array_equal(channels["A"].pixels, one.masks.any(axis=0).astype(np.float16))
        assert np.array_equal(channels["a-red-car.A"].pixels, one.masks[1].astype(np.float16))


@pytest.mark.parametrize(
    ("texts", "layers"),
    [
        (("a dog", "a dog!"), {"a-dog-1.A", "a-dog-2.A"}),
        (("a.dog", "***"), {"a-dog.A", "thing.A"}),
        (("a dog", "a dog", "a dog 1"), {"a-dog-1.A", "a-dog-2.A", "a-dog-1-3.A"}),
    ],
)
def test_every_expression_has_a_layer(tmp_path: Path, texts: tuple[str, ...], layers: set[str]) -> None:
    exr = pytest.importorskip("OpenEXR")
    one = replace(result(scores=(0.5,) * len(texts)), expressions=texts)
    folder = written(tmp_path / "a", ExrWriter, [one])
    channels = exr.File(str(folder / "dog_00000.exr"), separate_channels=True).channels()
    assert set(channels) == {"A", *layers}
