from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as PillowImage
from pycocotools import mask as coco_mask

from vlp_rvos.errors import UserError
from vlp_rvos.media import overlay as writers
from vlp_rvos.media.mask_png import PaletteMaskWriter
from vlp_rvos.media.masks_json import MasksJsonWriter
from vlp_rvos.media.overlay import OverlayRenderer, OverlayWriter, overlay_colours
from vlp_rvos.media.palette import davis_palette
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.media.video_writer import VideoWriter
from vlp_rvos.results import FrameResult, label_map

WORDS = ("the dog that jumps", "a red car")
INFO = VideoInfo("dog.mp4", 64, 48, 10.0, 1.0, 10)


def result(index: int = 0, scores: tuple[float, ...] = (0.9, 0.4), name: str | None = None, **size: int) -> FrameResult:
    height, width = size.get("height", 48), size.get("width", 64)
    masks = np.zeros((len(scores), height, width), bool)
    masks[0, height // 2 :, width // 4 : width // 2] = True
    for i in range(1, len(scores)):
        masks[i, 3 * height // 4 :, :] = True
    values = np.array(scores, np.float32)
    image = np.full((height, width, 3), 100, np.uint8)
    return FrameResult(index, index / 10, image, masks, values, values, WORDS[: len(scores)], name or f"{index:05d}")


# --- colours -------------------------------------------------------------------------------------------------------
def test_palette_is_that_of_davis() -> None:
    palette = davis_palette()
    assert palette.shape == (256, 3)
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert [tuple(x) for x in palette[:7].tolist()] == first
    assert palette[8].tolist() == [64, 0, 0]
    assert palette[255].tolist() == [224, 224, 192]
    assert len({tuple(x) for x in palette.tolist()}) == 256


def test_palette_equals_the_real_files(shared: Path) -> None:
    file = sorted((shared / "data/davis16/val/Annotations").rglob("*.png"))[0]
    with PillowImage.open(file) as image:
        palette = np.array(image.getpalette()).reshape(-1, 3)
    assert np.array_equal(palette[:2], davis_palette()[:2])


def test_overlay_colours_are_distinct() -> None:
    colours = overlay_colours(12).astype(int)
    distances = np.abs(colours[:, None] - colours[None]).sum(-1) + 999 * np.eye(12, dtype=int)
    assert distances.min() > 60
    assert distances[:6, :6].min() > 100


def test_the_best_score_is_on_top() -> None:
    for scores, top in (((0.9, 0.4), 1), ((0.4, 0.9), 2)):
        one = result(scores=scores)
        labels = label_map(one.masks, one.scores)
        assert labels.dtype == np.uint8
        assert labels[40, 20] == top
        assert (labels[0, 0], labels[30, 20], labels[40, 60]) == (0, 1, 2)


# --- overlay -------------------------------------------------------------------------------------------------------
def test_overlay_blends_masks_and_draws_outlines() -> None:
    one = result(height=360, width=640)
    before = one.image.copy()
    image = OverlayRenderer(WORDS).render(one)
    first, second = overlay_colours(2)
    assert image.shape == (360, 640, 3)
    assert image.dtype == np.uint8
    assert np.array_equal(one.image, before)
    assert image[150, 500].tolist() == [100, 100, 100]
    assert image[220, 240].tolist() == (50 + first // 2).tolist()
    assert image[300, 500].tolist() == (50 + second // 2).tolist()
    assert image[220, 160].tolist() == first.tolist()
    assert image[220, 159].tolist() == [100, 100, 100]
    assert image[270, 500].tolist() == second.tolist()
    # The edge of the picture is no outline.
    assert image[359, 500].tolist() == (50 + second // 2).tolist()


def test_an_outline_grows_with_the_picture() -> None:
    widths = []
    for scale in (1, 3):
        one = result(scores=(0.9,), height=720 * scale, width=1280 * scale)
        row = OverlayRenderer(WORDS[:1]).render(one)[500 * scale]
        widths.append(int((row[: 480 * scale] == overlay_colours(1)[0]).all(-1).sum()))
    assert widths == [2, 6]


def test_the_expression_is_burned_in() -> None:
    renderer = OverlayRenderer(["the dog"])
    one = result(scores=(0.9,), height=360, width=640)
    image = renderer.render(one)
    corner = image[:30, :150]
    assert (np.abs(corner.astype(int) - overlay_colours(1)[0]).sum(-1) < 40).sum() > 50
    assert (image[:40] < 60).all(-1).sum() > 500
    assert (image[60:170] == 100).all()


@pytest.mark.parametrize("text", ["word " * 400, "x" * 500, "собака 狗 🐕", "two\nlines", "a"])
@pytest.mark.parametrize("size", [(16, 16), (64, 48), (320, 180)])
def test_any_expression_fits_any_picture(text: str, size: tuple[int, int]) -> None:
    one = result(scores=(0.9,), width=size[0], height=size[1])
    assert OverlayRenderer([text]).render(one).shape == (size[1], size[0], 3)


def test_overlay_video(tmp_path: Path) -> None:
    with OverlayWriter(tmp_path / "overlay.mp4", WORDS, 10) as writer:
        for i in range(3):
            writer.write(result(i))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        decoded = list(container.decode(video=0))
    assert [x.time for x in decoded] == pytest.approx([0, 0.1, 0.2])
    assert (decoded[0].width, decoded[0].height) == (64, 48)


# --- masks ---------------------------------------------------------------------------------------------------------
def test_palette_masks(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    results = [result(0), result(1, name="frame_7")]
    with PaletteMaskWriter(folder) as writer:
        for one in results:
            writer.write(one)
        assert not folder.exists()
    assert sorted(x.name for x in folder.iterdir()) == ["00000.png", "frame_7.png"]
    with PillowImage.open(folder / "frame_7.png") as image:
        assert image.mode == "P"
        assert image.size == (64, 48)
        assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]
        assert np.array_equal(np.asarray(image), label_map(results[1].masks, results[1].scores))


def test_masks_replace_earlier_ones(tmp_path: Path) -> None:
    for index in (3, 5):
        with PaletteMaskWriter(tmp_path / "masks") as writer:
            writer.write(result(index))
    assert [x.name for x in (tmp_path / "masks").iterdir()] == ["00005.png"]
    assert [x.name for x in tmp_path.iterdir()] == ["masks"]


def test_more_objects_than_a_palette_has(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="255"), PaletteMaskWriter(tmp_path / "masks") as writer:
        writer.write(result(scores=(0.5,) * 256))
    with pytest.raises(UserError, match="255"):
        OverlayRenderer(["x"] * 256).render(result(scores=(0.5,) * 256))


def test_masks_json(tmp_path: Path) -> None:
    results = [result(0), result(1, (0.2, 0.7))]
    with MasksJsonWriter(tmp_path / "masks.json", INFO, WORDS, "mini", "1.2") as writer:
        for one in results:
            writer.write(one)
    read = json.loads((tmp_path / "masks.json").read_text())
    assert list(read) == ["video", "model", "expressions", "frames", "truncated"]
    assert read["video"] == {"name": "dog.mp4", "width": 64, "height": 48, "fps": 10.0}
    assert read["model"] == {"name": "mini", "version": "1.2"}
    assert read["expressions"] == list(WORDS)
    assert read["truncated"] is None
    assert [(x["index"], x["time"], x["name"]) for x in read["frames"]] == [(0, 0, "00000"), (1, 0.1, "00001")]
    for one, frame in zip(results, read["frames"], strict=True):
        assert [x["id"] for x in frame["objects"]] == [1, 2]
        assert [x["expression"] for x in frame["objects"]] == list(WORDS)
        assert [x["score"] for x in frame["objects"]] == pytest.approx(one.scores)
        assert [x["presence"] for x in frame["objects"]] == pytest.approx(one.presences)
        for mask, entry in zip(one.masks, frame["objects"], strict=True):
            assert np.array_equal(coco_mask.decode(entry["segmentation"]), mask)


@pytest.mark.parametrize("number", [0, 1])
def test_masks_json_is_valid_after_a_break(tmp_path: Path, number: int) -> None:
    with MasksJsonWriter(tmp_path / "masks.json", INFO, ['say "cheese"', "狗"], "mini", "1") as writer:
        for i in range(number):
            writer.write(result(i))
        writer.truncated = "stopped at frame 1"
    read = json.loads((tmp_path / "masks.json").read_text(encoding="utf-8"))
    assert read["truncated"] == "stopped at frame 1"
    assert read["expressions"] == ['say "cheese"', "狗"]
    assert len(read["frames"]) == number


def test_failures_leave_earlier_results(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/old.png").touch()
    (tmp_path / "masks.json").write_text("old")
    (tmp_path / "overlay.mp4").write_text("old")
    before = sorted(tmp_path.rglob("*"))

    def run() -> None:
        with (
            MasksJsonWriter(tmp_path / "masks.json", INFO, WORDS, "mini", "1") as masks_json,
            PaletteMaskWriter(tmp_path / "masks") as masks,
            OverlayWriter(tmp_path / "overlay.mp4", WORDS, 10) as overlay,
        ):
            for writer in (masks_json, masks, overlay):
                writer.write(result())
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run()
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "masks.json").read_text() == (tmp_path / "overlay.mp4").read_text() == "old"


# --- only where there are masks ------------------------------------------------------------------------------------
@pytest.mark.parametrize("place", [None, (0, 0), (20, 30), (44, 60)])
def test_working_in_the_masks_box_changes_nothing(place: tuple[int, int] | None, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    masks = np.zeros((2, 48, 64), bool)
    if place is not None:
        y, x = place
        masks[0, y : y + 9, x : x + 11] = True
        masks[1, y + 2 : y + 12, x + 3 : x + 14] = rng.random(masks[1, y + 2 : y + 12, x + 3 : x + 14].shape) < 0.5
    image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    scores = np.array([0.3, 0.6], np.float32)
    one = FrameResult(0, 0.0, image, masks, scores, scores, WORDS, "00000")
    renderer, labels = OverlayRenderer(WORDS), label_map(masks, scores)
    assert np.array_equal(one.labels, labels[one.box])

    expected = image.copy()
    colours = overlay_colours(2)
    expected[labels > 0] = image[labels > 0] // 2 + (colours // 2)[labels[labels > 0] - 1]
    edge = writers._edges(labels, 1)
    expected[edge] = colours[labels[edge] - 1]
    renderer._draw_caption(expected)
    assert np.array_equal(renderer.render(one), expected)

    with MasksJsonWriter(tmp_path / "masks.json", INFO, WORDS, "mini", "1") as json_writer:
        json_writer.write(one)
    with PaletteMaskWriter(tmp_path / "masks") as mask_writer:
        mask_writer.write(one)
    objects = json.loads((tmp_path / "masks.json").read_text())["frames"][0]["objects"]
    for mask, entry in zip(masks, objects, strict=True):
        assert entry["segmentation"]["counts"] == coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
    with PillowImage.open(tmp_path / "masks/00000.png") as written:
        assert np.array_equal(np.asarray(written), labels)


@pytest.mark.parametrize(("name", "code"), [("ITU709", 1), ("ITU601", 5)])
def test_drawing_on_planes_is_drawing_on_the_image(name: str, code: int) -> None:
    image = np.empty((120, 160, 3), np.uint8)
    image[:] = np.linspace(40, 200, 160, dtype=np.uint8)[:, None]
    masks = np.zeros((2, 120, 160), bool)
    masks[0, 41:83, 51:90] = masks[1, 60:111, 80:139] = True
    scores = np.array([0.9, 0.8], np.float32)
    picture = av.VideoFrame.from_ndarray(image, format="rgb24")
    picture = picture.reformat(format="yuv420p", dst_colorspace=name, dst_color_range="MPEG")
    picture.colorspace = code
    before = picture.to_ndarray()
    result = FrameResult(0, 0.0, image, masks, scores, scores, WORDS, "00000", picture)
    renderer = OverlayRenderer(WORDS)

    drawn = renderer.render_picture(result)
    shown = drawn.reformat(format="rgb24", src_colorspace=name, src_color_range="MPEG").to_ndarray()

    difference = np.abs(shown.astype(int) - renderer.render(result))
    assert np.median(difference) <= 2
    assert difference[64:76, 56:76].max() <= 6, "inside a mask"
    assert (picture.to_ndarray() == before).all(), "the decoded frame is left as it was"


def test_an_overlay_of_decoded_frames(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "in.mp4", fps=10) as writer:
        for i in range(3):
            writer.write(np.full((64, 96, 3), (90, 60, 40), np.uint8), i / 10)
    source = open_video(tmp_path / "in.mp4")
    assert source.planar
    masks, scores = np.zeros((2, 64, 96), bool), np.zeros(2, np.float32)
    with OverlayWriter(tmp_path / "out.mp4", WORDS, 10) as overlay:
        for frame in source.read((32, 48)):
            assert frame.image.shape == (32, 48, 3)
            overlay.write(
                FrameResult(
                    frame.index, frame.time, frame.image, masks, scores, scores, WORDS, frame.name, frame.picture
                )
            )
    written = open_video(tmp_path / "out.mp4")
    assert [frame.time for frame in written] == pytest.approx([0, 0.1, 0.2])
    last = list(written)[-1].image
    assert np.abs(last[-8:, -8:].astype(int) - (90, 60, 40)).max() <= 4
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == 1, "taken over from the input"
