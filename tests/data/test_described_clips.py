"""Samples with what people say of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from described_folder import BLUE, EXPRESSIONS, RED, write_described

from vlp_rvos.data.described_clips import draw_described_clip
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.outlined_pictures import OutlinedPicture
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.picture_sources import open_available

FIRST = EXPRESSIONS["images"]["picture1.png"]
SAID = {text for texts in FIRST["objects"].values() for text in texts} | {"second car from the left", "both cars"}
FALSE = {*FIRST["absent"], "third car"}


@pytest.fixture
def cars(tmp_path: Path) -> list[OutlinedPicture]:
    write_described(tmp_path)
    (opened,) = open_available([PictureSource(".", hold_out_share=0.0)], MixtureConfig(root=str(tmp_path)))
    return [picture for picture in opened.training if picture.name == "picture1.png"]


def is_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    """Whether the mean of pixels (P, 3) is nearer to a colour than to the other one."""
    distances = [float(np.abs(pixels.mean(0) - other).sum()) for other in (RED, BLUE)]
    return int(np.argmin(distances)) == (RED, BLUE).index(colour)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_masks_show_what_the_expressions_say(cars: list[OutlinedPicture], frames: int, size: tuple[int, int]) -> None:
    seen = set()
    for seed in range(20):
        sample = draw_described_clip(cars, frames, size, 3, 0.3, np.random.default_rng(seed))
        assert sample.frames.shape == (frames, 3, *size)
        assert sample.masks.shape == (len(sample.expressions), frames, *size)
        assert len(set(sample.expressions)) == len(sample.expressions) <= 3
        assert sample.masks[0].any(), "the first expression is true of something"
        left_of = {}
        for text, masks, kind in zip(sample.expressions, sample.masks.numpy(), sample.kinds, strict=True):
            seen.add(text)
            assert masks.reshape(frames, -1).any(-1).tolist() == [kind != "absent"] * frames
            pixels = sample.frames.permute(0, 2, 3, 1).numpy()[masks]
            if text in ("the red car", "the car next to the red one"):
                assert is_colour(pixels, RED if text == "the red car" else BLUE)
            if masks.any():
                left_of[text] = masks.any((0, 1)).argmax()
        both = [left_of.get("the red car"), left_of.get("the car next to the red one")]
        if "the car on the left" in left_of and None not in both:
            assert left_of["the car on the left"] == min(both)
    # Of a mirrored picture, left and right change places in what is said.
    assert seen == {*SAID, *FALSE, "the car on the right", "second car from the right"}


def test_absent_expressions_have_their_share(cars: list[OutlinedPicture]) -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_described_clip(cars, 1, (48, 64), 3, share, rng).kinds for share in (0.0, 1.0) for _ in range(10)]
    assert {kind for kinds in drawn[:10] for kind in kinds} == {"still", "several"}
    assert all(kinds[1:] == ["absent", "absent"] for kinds in drawn[10:])


def test_the_same_seed_gives_the_same_sample(cars: list[OutlinedPicture]) -> None:
    first, second = (draw_described_clip(cars, 2, (48, 64), 2, 0.2, np.random.default_rng(3)) for _ in range(2))
    assert first.expressions == second.expressions
    assert (first.frames == second.frames).all()
