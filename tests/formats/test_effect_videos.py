"""Cut-outs and videos made with masks: pixels, alpha, times and sound."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from clips import FPS
from segmented import beeps_of, images, make_beeping_video, make_frames, make_video, write_out

from vlp_rvos.formats.conversion import convert
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.frame_effects import blurred, cut_out, highlighted, widened, with_background
from vlp_rvos.formats.segmented_video import SegmentedVideo
from vlp_rvos.media.video_writer import VideoWriter
from vlp_rvos.results import FrameResult


def write(tmp_path: Path, name: str, video: Path, **options: object) -> tuple[Path, list[FrameResult]]:
    made = write_out(tmp_path / "out", video)
    convert(SegmentedVideo(tmp_path / "out", video), name, tmp_path / name, FormatOptions(**options))  # type: ignore[arg-type]
    return tmp_path / name, made


def decoded(path: Path, codec: str | None = None) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            return list(container.decode(stream))
        decoder = av.CodecContext.create(codec, "r")
        return [frame for packet in container.demux(stream) if packet.size for frame in decoder.decode(packet)]


@pytest.mark.parametrize(
    ("name", "suffix", "codec", "bits"),
    [("prores4444", ".mov", None, "yuva444p12le"), ("webm-alpha", ".webm", "libvpx-vp9", "yuva420p")],
)
@pytest.mark.parametrize("size", [(64, 48), (33, 27)])
def test_cut_outs_with_alpha(
    tmp_path: Path, name: str, suffix: str, codec: str | None, bits: str, size: tuple[int, int]
) -> None:
    folder, made = write(tmp_path, name, make_frames(tmp_path / "dog", size=size))
    found = decoded(folder / f"dog{suffix}", codec)
    assert len(found) == len(made)
    for frame, result in zip(found, made, strict=True):
        assert (frame.width, frame.height, frame.format.name) == (*size, bits)
        rgba = frame.reformat(format="rgba").to_ndarray()
        mask = result.masks.any(axis=0)
        # VP9 loses a little along the edges.
        assert ((rgba[..., 3] > 127) != mask).mean() < (0.02 if codec else 1e-9)
        if mask.any():
            assert np.abs(rgba[..., :3].astype(int) - result.image)[mask].mean() < 6
    times = [float(frame.pts * frame.time_base) for frame in decoded(folder / f"dog{suffix}")]
    assert times == pytest.approx([result.time for result in made], abs=1e-3)


def test_one_output_for_each_expression(tmp_path: Path) -> None:
    folder, made = write(tmp_path, "png-alpha", make_video(tmp_path / "dog.mp4"), each=True)
    from PIL import Image as PillowImage

    names = ["01-the-dog-that-jumps", "02-a-red-car-more"]
    assert sorted(x.name for x in folder.iterdir() if x.is_dir()) == names
    for i, name in enumerate(names):
        for k, result in enumerate(made):
            rgba = np.asarray(PillowImage.open(folder / name / f"{name}_{k:05d}.png"))
            assert np.array_equal(rgba[..., 3] > 0, result.masks[i])
            assert np.array_equal(rgba[..., :3], result.image * result.masks[i][..., None])


def test_the_numbers_of_a_sequence_have_no_gaps(tmp_path: Path) -> None:
    video = make_video(tmp_path / "dog.mp4", number=9)
    write_out(tmp_path / "out", video, every=4)
    convert(SegmentedVideo(tmp_path / "out", video), "png-alpha", tmp_path / "png")
    assert sorted(x.name for x in (tmp_path / "png/dog").iterdir()) == [f"dog_{i:05d}.png" for i in range(3)]


def test_mattes(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    folder, made = write(tmp_path, "exr", make_frames(tmp_path / "dog"))
    for k, result in enumerate(made):
        channels = exr.File(str(folder / f"dog_{k:05d}.exr"), separate_channels=True).channels()
        assert set(channels) == {"A", "the-dog-that-jumps.A", "a-red-car-more.A"}
        assert np.array_equal(channels["A"].pixels, result.masks.any(axis=0).astype(np.float16))
        assert np.array_equal(channels["a-red-car-more.A"].pixels, result.masks[1].astype(np.float16))


def test_two_expressions_of_one_name_have_two_layers(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR")
    video = make_video(tmp_path / "dog.mp4", number=1)
    write_out(tmp_path / "out", video, texts=("a dog", "a dog!"))
    convert(SegmentedVideo(tmp_path / "out"), "exr", tmp_path / "exr")
    channels = exr.File(str(tmp_path / "exr/dog_00000.exr"), separate_channels=True).channels()
    assert set(channels) == {"A", "a-dog-1.A", "a-dog-2.A"}


def test_effects_change_the_right_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:40] = True
    for changed, kept in (
        (highlighted(image, mask), mask),
        (blurred(image, mask), ~mask),
        (with_background(image, mask, (1, 2, 3)), mask),
    ):
        assert np.array_equal(changed[kept], image[kept])
        assert (changed[~kept] != image[~kept]).mean() > 0.9
    assert (with_background(image, mask, (1, 2, 3))[~mask] == (1, 2, 3)).all()
    assert blurred(image, mask)[mask].std() < image[mask].std() / 2
    assert highlighted(image, mask)[~mask].mean() < image[~mask].mean() / 2
    wide = widened(mask)
    assert wide[8:32, 18:42].all()
    assert wide.sum() == 24 * 24


def test_colours_beside_a_cut_out_stay_in_the_blocks_of_a_codec() -> None:
    image = np.full((40, 70, 3), 9, np.uint8)
    mask = np.zeros((40, 70), bool)
    mask[33, 65] = True
    rgba = cut_out(image, mask, 32)
    assert (rgba[32:, 64:, :3] == 9).all()
    assert rgba[:32, :, :3].max() == rgba[:, :64, :3].max() == 0
    assert rgba[..., 3].sum() == 255


@pytest.mark.parametrize("blur", ["thing", "rest"])
def test_blur(tmp_path: Path, blur: str) -> None:
    folder, made = write(tmp_path, "blur", make_video(tmp_path / "dog.mp4"), blur=blur)
    assert len(decoded(folder / "dog.mp4")) == len(made)


def test_the_chosen_background(tmp_path: Path) -> None:
    folder, made = write(tmp_path, "remove-background", make_video(tmp_path / "dog.mp4"), colour="white")
    frame = decoded(folder / "dog.mp4")[2].to_ndarray(format="rgb24")
    assert frame.min() > 245
    assert not made[2].masks.any()


@pytest.mark.parametrize(("name", "suffix"), [("highlight", ".mp4"), ("prores4444", ".mov"), ("webm-alpha", ".webm")])
def test_sound_is_kept_in_step(tmp_path: Path, name: str, suffix: str) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3, 0.8, 1.4])
    write_out(tmp_path / "out", video)
    convert(SegmentedVideo(tmp_path / "out", video), name, tmp_path / name)
    assert beeps_of(tmp_path / name / f"dog{suffix}") == pytest.approx([0.3, 0.8, 1.4], abs=0.02)


def test_sound_of_a_part_of_the_video(tmp_path: Path) -> None:
    video = make_beeping_video(tmp_path / "dog.mp4", [0.3, 0.8, 1.4])
    write_out(tmp_path / "out", video, start=0.5, end=1.2)
    convert(SegmentedVideo(tmp_path / "out", video), "highlight", tmp_path / "video")
    path = tmp_path / "video" / "dog.mp4"
    assert beeps_of(path) == pytest.approx([0.3], abs=0.02)
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(7 / FPS, abs=0.05)


def test_a_silent_video_stays_silent(tmp_path: Path) -> None:
    folder, _ = write(tmp_path, "highlight", make_video(tmp_path / "dog.mp4"))
    with av.open(str(folder / "dog.mp4")) as container:
        assert not container.streams.audio


def test_a_variable_frame_rate_stays_variable(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.5, 0.55, 1.3]
    with VideoWriter(tmp_path / "dog.mp4", 10) as writer:
        for image, time in zip(images(5, (64, 48)), times, strict=True):
            writer.write(image, time)
    for name, suffix in (("highlight", ".mp4"), ("prores4444", ".mov"), ("webm-alpha", ".webm")):
        folder, _ = write(tmp_path, name, tmp_path / "dog.mp4")
        found = [float(x.pts * x.time_base) for x in decoded(folder / f"dog{suffix}")]
        assert found == pytest.approx(times, abs=1e-3)
