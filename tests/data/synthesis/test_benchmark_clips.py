"""Training samples from the benchmarks: what is asked, what is supervised, and that masks stay with their pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from image_miniatures import rectangle, write_a2d, write_refcoco
from numpy.typing import NDArray
from video_miniatures import write_mevis, write_ref_youtube_vos

from vlp_rvos.data.benchmarks import ReferringDataset, ReferringExpression, ReferringVideo, open_benchmark
from vlp_rvos.data.synthesis.benchmark_clips import BenchmarkClips, open_benchmark_clips
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.errors import UserError

RED, BLUE = (230, 30, 30), (30, 30, 230)


class Squares(ReferringDataset):
    """A red square on the left and a blue one on the right, in videos of the given lengths."""

    def __init__(
        self, lengths: Sequence[int] = (1,), shape: tuple[int, int] = (40, 60), seen: Sequence[int] | None = None
    ) -> None:
        self.name, self.split, self.shape, self.seen = "squares", "train", shape, seen
        said = [
            ReferringExpression("0", "the left square", (0,)),
            ReferringExpression("1", "the  square on the right ", (1,)),
            ReferringExpression("2", "both squares", (0, 1)),
            ReferringExpression("3", "the green circle", ()),
            ReferringExpression("4", "nobody knows", None),
            ReferringExpression("5", "  ", (1,)),
        ]
        self.videos = [
            ReferringVideo(f"{k}", [f"{f:03}" for f in range(length)], said) for k, length in enumerate(lengths)
        ]

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        pixels = np.full((*self.shape, 3), 60, np.uint8)
        for mask, colour in zip(self.masks(), (RED, BLUE), strict=True):
            pixels[mask] = colour
        return pixels

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        return dict(enumerate(self.masks())) if self.seen is None or int(frame) in self.seen else None

    def masks(self) -> NDArray[np.bool_]:
        masks = np.zeros((2, *self.shape), bool)
        middle, side = self.shape[1] // 2, self.shape[0] // 2
        masks[0, side // 2 : side // 2 + side, middle - 4 - side : middle - 4] = True
        masks[1, side // 2 : side // 2 + side, middle + 4 : middle + 4 + side] = True
        return masks


def samples(clips: BenchmarkClips, count: int, frames: int, size: tuple[int, int]) -> list[Sample]:
    drawn = [clips.draw(frames, size, np.random.default_rng(seed)) for seed in range(count)]
    return [sample for sample in drawn if sample is not None]


def is_red_or_blue(sample: Sample) -> torch.Tensor:
    red, green, blue = sample.frames.float().unbind(1)
    return (red > 2 * green) | (blue > 2 * green)


def overlap(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first & second).sum() / (first | second).sum())


def test_without_augmentation_a_sample_is_what_the_data_set_holds(tmp_path: Path) -> None:
    dataset = open_benchmark("mevis", write_mevis(tmp_path), "train")
    video = dataset.videos[0]
    clips = BenchmarkClips(dataset, dataset.videos, expressions=3, augment=False)
    sample = clips.draw(4, (48, 64), np.random.default_rng(0))
    assert sample is not None
    assert sample.supervised is None
    frames = np.stack([dataset.load_frame(video.name, name) for name in video.frames])
    assert np.array_equal(sample.frames.permute(0, 2, 3, 1).numpy(), frames)
    assert sorted(sample.kinds) == ["absent", "several", "video"]
    for text, mask in zip(sample.expressions, sample.masks, strict=True):
        expression = next(x for x in video.expressions if x.text == text)
        expected = [dataset.load_mask(video.name, name, expression) for name in video.frames]
        assert np.array_equal(mask.numpy(), np.stack([m for m in expected if m is not None]))


def test_only_annotated_frames_are_supervised(tmp_path: Path) -> None:
    dataset = open_benchmark("a2d-sentences", write_a2d(tmp_path), "train")
    clips = BenchmarkClips(dataset, dataset.videos, expressions=2, augment=False)
    sample = clips.draw(12, (48, 64), np.random.default_rng(0))
    assert sample is not None
    assert sample.supervised is not None
    annotated = {"a red box is moving": (0, [3, 9]), "green box on the right": (1, [3])}
    assert set(sample.expressions) == set(annotated)
    for text, mask, supervised in zip(sample.expressions, sample.masks, sample.supervised, strict=True):
        thing, frames = annotated[text]
        assert (supervised.nonzero().flatten() + 1).tolist() == frames
        for frame in range(1, 13):
            expected = rectangle(thing, frame) if frame in frames else np.zeros((48, 64), bool)
            assert np.array_equal(mask[frame - 1].numpy(), expected)


def test_windows_hold_an_annotated_frame_wherever_it_is() -> None:
    for seen in (0, 17, 39):
        clips = BenchmarkClips(dataset := Squares([40], seen=[seen]), dataset.videos, expressions=1)
        for sample in samples(clips, 10, 6, (32, 48)):
            assert sample.supervised is not None
            assert sample.supervised.sum() == 1
            assert sample.masks[sample.supervised].any()


@pytest.mark.parametrize("length", [1, 3, 6, 7, 13, 40])
def test_windows_are_even_and_hold_their_anchor(length: int) -> None:
    clips = BenchmarkClips(dataset := Squares([length]), dataset.videos, expressions=1)
    names = dataset.videos[0].frames
    strides, rng = set(), np.random.default_rng(0)
    for anchor in range(length):
        for _ in range(6):
            window = clips._draw_window(names, anchor, 6, rng)
            positions = [names.index(name) for name in window]
            steps = set(np.diff(positions).tolist())
            assert len(window) == 6
            assert anchor in positions
            assert len(steps) == 1 if length >= 6 else steps <= {0, 1}
            strides |= steps
    assert strides == {1: {0}, 3: {0, 1}, 6: {1}, 7: {1}, 13: {1, 2}, 40: {1, 2, 3}}[length]


@pytest.mark.parametrize("length", [1, 8])
@pytest.mark.parametrize("keep_aspect", [False, True])
def test_masks_move_with_the_pixels(length: int, keep_aspect: bool) -> None:
    clips = BenchmarkClips(dataset := Squares([length]), dataset.videos, expressions=4, keep_aspect=keep_aspect)
    for sample in samples(clips, 12, 4, (48, 48)):
        assert sample.frames.shape == (4, 3, 48, 48)
        assert sample.frames.dtype == torch.uint8
        assert overlap(sample.masks.any(0), is_red_or_blue(sample)) > 0.75
        for kind, mask in zip(sample.kinds, sample.masks, strict=True):
            assert mask.any() == (kind != "absent")


def test_mirroring_swaps_the_words() -> None:
    clips = BenchmarkClips(dataset := Squares([8]), dataset.videos, expressions=4)
    mirrored = 0
    for sample in samples(clips, 30, 2, (48, 48)):
        said = dict(zip(sample.expressions, sample.masks, strict=True))
        assert all(text == " ".join(text.split()) for text in said)
        for text, mask in said.items():
            if "left" not in text and "right" not in text:
                continue
            colour = sample.frames.permute(0, 2, 3, 1)[mask].float().mean(0)
            flipped = (colour[0] > colour[2]) == ("right" in text)
            mirrored += int(flipped)
            others = [other for name, other in said.items() if name != text and ("left" in name or "right" in name)]
            for other in others:
                centre, rival = (float(m.nonzero()[:, 2].float().mean()) for m in (mask, other))
                assert (centre < rival) == ("left" in text)
    assert mirrored > 5


def test_a_picture_becomes_a_moving_clip() -> None:
    clips = BenchmarkClips(dataset := Squares([1]), dataset.videos, expressions=1)
    moving = [not torch.equal(sample.masks[0, 0], sample.masks[0, -1]) for sample in samples(clips, 12, 4, (48, 64))]
    assert sum(moving) > 4
    held = BenchmarkClips(dataset, dataset.videos, expressions=1, augment=False)
    for sample in samples(held, 4, 4, (48, 64)):
        assert torch.equal(sample.frames[0], sample.frames[-1])


def test_models_that_keep_the_aspect_ratio_see_windows() -> None:
    dataset = Squares([3], shape=(32, 96))
    dataset.videos = [ReferringVideo("0", ["000"], dataset.videos[0].expressions[:1])]
    sizes = {}
    for keep_aspect in (False, True):
        clips = BenchmarkClips(dataset, dataset.videos, expressions=1, keep_aspect=keep_aspect, augment=False)
        sample = clips.draw(1, (32, 32), np.random.default_rng(0))
        assert sample is not None
        mask = sample.masks[0, 0]
        sizes[keep_aspect] = int(mask.any(0).sum()) / int(mask.any(1).sum())
    assert sizes[False] < 0.45
    assert sizes[True] > 1.5 * sizes[False]


def test_every_expression_is_asked_about_about_equally_often() -> None:
    dataset = Squares([1, 1])
    few = dataset.videos[0].expressions[:1]
    many = [ReferringExpression(str(k), f"square {k}", (k % 2,)) for k in range(6)]
    dataset.videos = [ReferringVideo("0", ["000"], few), ReferringVideo("1", ["000"], many)]
    clips = BenchmarkClips(dataset, dataset.videos, expressions=2, augment=False)
    counts = Counter(text for sample in samples(clips, 400, 1, (32, 32)) for text in sample.expressions)
    assert len(counts) == 7
    # 400 draws of one video in a quarter and of two of six expressions in the rest.
    assert all(70 < count < 135 for count in counts.values()), counts


def test_what_cannot_be_asked_is_left_out() -> None:
    clips = BenchmarkClips(dataset := Squares([2]), dataset.videos, expressions=9, augment=False)
    sample = clips.draw(2, (32, 32), np.random.default_rng(0))
    assert sample is not None
    assert set(sample.expressions) == {
        "the left square",
        "the square on the right",
        "both squares",
        "the green circle",
    }
    nothing = ReferringVideo("0", ["000"], dataset.videos[0].expressions[3:5])
    assert not BenchmarkClips(dataset, [nothing], expressions=3).videos


def names(name: str, folder: Path, share: float, held_out: bool) -> set[str]:
    clips = open_benchmark_clips(
        name, folder, "train", held_out=held_out, share=share, expressions=1, keep_aspect=False
    )
    assert clips.augment != held_out
    return {f"{clips.dataset.split}/{video.name}" for video in clips.videos}


def test_what_is_held_out(tmp_path: Path) -> None:
    folder = write_refcoco(tmp_path / "refcoco")
    assert len(names("refcoco", folder, 0.5, False)) == 2
    assert all(name.startswith("val/") for name in names("refcoco", folder, 0.5, True))
    folder = write_ref_youtube_vos(tmp_path / "ref-youtube-vos")
    # The two names' hashes are at 0.02 and 0.54.
    for share in (0.0, 0.4, 1.0):
        train, held_out = names("ref-youtube-vos", folder, share, False), names("ref-youtube-vos", folder, share, True)
        assert not train & held_out
        assert train | held_out == {"train/003234408d", "train/0043f083b5"}
        assert len(held_out) == {0.0: 0, 0.4: 1, 1.0: 2}[share]


def test_a_split_without_public_masks(tmp_path: Path) -> None:
    folder = write_ref_youtube_vos(tmp_path)
    with pytest.raises(UserError, match="no public masks of its split 'valid'"):
        open_benchmark_clips(
            "ref-youtube-vos", folder, "valid", held_out=False, share=0.1, expressions=1, keep_aspect=False
        )
