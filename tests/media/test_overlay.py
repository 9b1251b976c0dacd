"""Masks, outlines and expressions drawn on frames."""

from __future__ import annotations

import dataclasses

import av
import numpy as np
import pytest
from frame_results import EXPRESSIONS, PLACES, result, result_at

from vlp_rvos.errors import UserError
from vlp_rvos.media.overlay import LOW_PRESENCE, OverlayRenderer, outline, overlay_colours
from vlp_rvos.media.overlay_style import Drawing, OverlayStyle
from vlp_rvos.results import FrameResult, label_map


def test_overlay_colours_are_distinct() -> None:
    colours = overlay_colours(12).astype(int)
    distances = np.abs(colours[:, None] - colours[None]).sum(-1) + 999 * np.eye(12, dtype=int)
    assert distances.min() > 60
    assert distances[:6, :6].min() > 100


def test_overlay_blends_masks_and_draws_outlines() -> None:
    one = result(height=360, width=640)
    before = one.image.copy()
    image = OverlayRenderer(EXPRESSIONS).render(one)
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
    # The border of the frame is no outline.
    assert image[359, 500].tolist() == (50 + second // 2).tolist()


def test_an_outline_grows_with_the_frame() -> None:
    widths = []
    for scale in (1, 3):
        one = result(scores=(0.9,), height=720 * scale, width=1280 * scale)
        row = OverlayRenderer(EXPRESSIONS[:1]).render(one)[500 * scale]
        widths.append(int((row[: 480 * scale] == overlay_colours(1)[0]).all(-1).sum()))
    assert widths == [2, 6]


@pytest.mark.parametrize("place", PLACES)
def test_drawing_in_the_box_of_the_masks_is_drawing_on_the_frame(place: tuple[int, int] | None) -> None:
    one = result_at(place)
    renderer, labels = OverlayRenderer(EXPRESSIONS), label_map(one.masks, one.scores)
    assert np.array_equal(one.labels, labels[one.box])

    expected = one.image.copy()
    colours = overlay_colours(2)
    expected[labels > 0] = one.image[labels > 0] // 2 + (colours // 2)[labels[labels > 0] - 1]
    edge = outline(labels, 1)
    expected[edge] = colours[labels[edge] - 1]
    # Without masks only the caption is drawn.
    expected = renderer.render(dataclasses.replace(one, image=expected, masks=np.zeros_like(one.masks)))
    assert np.array_equal(renderer.render(one), expected)


def test_an_outline_lies_inside_of_its_object() -> None:
    labels = np.zeros((7, 9), np.uint8)
    labels[1:6, 1:5], labels[1:6, 5:8] = 1, 2
    drawn = ["".join(".#"[int(pixel)] for pixel in row) for row in outline(labels, 1)]
    assert drawn == [".........", ".#######.", ".#..##.#.", ".#..##.#.", ".#..##.#.", ".#######.", "........."]


@pytest.mark.parametrize(("name", "code"), [("ITU709", 1), ("ITU601", 5)])
def test_drawing_on_planes_is_drawing_on_the_image(name: str, code: int) -> None:
    image = np.empty((120, 160, 3), np.uint8)
    image[:] = np.linspace(40, 200, 160, dtype=np.uint8)[:, None]
    masks = np.zeros((2, 120, 160), bool)
    masks[0, 41:83, 51:90] = masks[1, 60:111, 80:139] = True
    scores = np.array([0.9, 0.8], np.float32)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=name, dst_color_range="MPEG")
    frame.colorspace = code
    before = frame.to_ndarray()
    one = FrameResult(0, 0.0, image, masks, scores, scores, EXPRESSIONS, "00000", frame)
    renderer = OverlayRenderer(EXPRESSIONS)

    drawn = renderer.render_yuv(one)
    shown = drawn.reformat(format="rgb24", src_colorspace=name, src_color_range="MPEG").to_ndarray()

    difference = np.abs(shown.astype(int) - renderer.render(one))
    assert np.median(difference) <= 2
    assert difference[64:76, 56:76].max() <= 6, "inside a mask"
    assert (frame.to_ndarray() == before).all(), "the decoded frame is left as it was"


def test_what_is_hardly_there_is_dashed_and_lighter() -> None:
    one = result(scores=(0.9,), height=360, width=640)
    low = dataclasses.replace(one, presences=np.array([LOW_PRESENCE - 0.01], np.float32))
    colour = overlay_colours(1)[0]
    sure, faint = (OverlayRenderer(EXPRESSIONS[:1]).render(x) for x in (one, low))
    assert sure[300, 240].tolist() == (50 + colour // 2).tolist()
    assert faint[300, 240].tolist() == (75 + colour // 4).tolist()
    # The left side of the outline, below the middle of the frame.
    drawn = [(image[180:, 160] == colour).all(-1) for image in (sure, faint)]
    assert drawn[0].all()
    assert 0.4 < drawn[1].mean() < 0.6
    assert 20 < np.count_nonzero(np.diff(drawn[1])) < 60
    assert np.array_equal(low.masks, one.masks)


def overlapping(scores: tuple[float, ...] = (0.9, 0.8)) -> FrameResult:
    """Two squares of 120 pixels on grey, of which 60 x 60 pixels overlap."""
    masks = np.zeros((2, 360, 640), bool)
    masks[0, 120:240, 300:420] = masks[1, 180:300, 360:480] = True
    values = np.array(scores, np.float32)
    image = np.full((360, 640, 3), 100, np.uint8)
    return FrameResult(0, 0.0, image, masks, values, (1 + values) / 2, EXPRESSIONS, "00000")


@pytest.mark.parametrize("scores", [(0.9, 0.8), (0.8, 0.9)])
def test_overlapping_masks_both_show(scores: tuple[float, ...]) -> None:
    image = OverlayRenderer(EXPRESSIONS).render(overlapping(scores))
    colours = overlay_colours(2)
    shared = image[182:238, 362:418].reshape(-1, 3)
    shares = [(shared == 50 + colour // 2).all(-1).mean() for colour in colours]
    # Stripes of two colours, and no third one.
    assert sum(shares) == 1
    assert min(shares) > 0.4
    # Each has its own outline around all of it, over the other's fill.
    assert (image[239, 300:420] == colours[0]).all(-1).mean() > 0.97
    assert (image[120:240, 419] == colours[0]).all(-1).mean() > 0.97
    assert (image[180, 360:480] == colours[1]).all(-1).mean() > 0.97
    assert (image[180:300, 360] == colours[1]).all(-1).mean() > 0.97
    assert image[130, 310].tolist() == (50 + colours[0] // 2).tolist()
    assert image[290, 470].tolist() == (50 + colours[1] // 2).tolist()


def test_one_mask_inside_of_another_shows() -> None:
    one = overlapping()
    one.masks[1] = False
    one.masks[1, 150:210, 330:390] = True
    image = OverlayRenderer(EXPRESSIONS).render(one)
    colours = overlay_colours(2)
    assert (image[150, 330:390] == colours[1]).all()
    assert (image[120, 300:420] == colours[0]).all()
    inner = image[151:209, 331:389].reshape(-1, 3)
    assert min((inner == 50 + colour // 2).all(-1).mean() for colour in colours) > 0.4


def test_stripes_stay_in_place() -> None:
    one = overlapping()
    more = dataclasses.replace(one, masks=one.masks.copy())
    more.masks[0, 113:240, 291:420] = True
    drawn = [OverlayRenderer(EXPRESSIONS).render(x)[182:238, 362:418] for x in (one, more)]
    assert np.array_equal(*drawn)


def test_more_objects_than_there_are_ids() -> None:
    with pytest.raises(UserError, match="255"):
        OverlayRenderer(["x"] * 256).render(result(scores=(0.5,) * 256))


@pytest.mark.parametrize("drawing", ["fill", "outline", "both"])
def test_what_is_drawn_of_a_mask(drawing: Drawing) -> None:
    one = result(scores=(0.9,), height=720, width=1280)
    colour = np.array([255, 0, 0])
    style = OverlayStyle(drawing, "none", colours=[(255, 0, 0)])
    image = OverlayRenderer(EXPRESSIONS[:1], style).render(one)
    row = image[500]
    edge = 1280 // 4
    filled = (row[edge + 8 : 1280 // 2 - 8] == 50 + colour // 2).all()
    outlined = int((row[edge : edge + 8] == colour).all(-1).sum())
    assert (filled, outlined) == {"fill": (True, 0), "outline": (False, 4), "both": (True, 2)}[drawing]
    # There is no legend.
    assert (image[:200] == 100).all()


@pytest.mark.parametrize("drawing", ["fill", "outline"])
def test_overlapping_masks_both_show_in_every_style(drawing: Drawing) -> None:
    image = OverlayRenderer(EXPRESSIONS, OverlayStyle(drawing, "none")).render(overlapping())
    drawn = [50 + colour // 2 if drawing == "fill" else colour for colour in overlay_colours(2)]
    shared = image[180:240, 360:420].reshape(-1, 3)
    assert min((shared == colour).all(-1).mean() for colour in drawn) > 0.02


def test_a_legend_below_leaves_the_picture_and_adds_an_even_strip() -> None:
    image = np.full((48, 64, 3), 100, np.uint8)
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    one = dataclasses.replace(result(), image=image, yuv_frame=frame)
    plain = OverlayRenderer(EXPRESSIONS, OverlayStyle(legend="none"))
    below = OverlayRenderer(EXPRESSIONS, OverlayStyle(legend="below"))
    drawn = below.render(one)
    assert np.array_equal(drawn[:48], plain.render(one))
    assert drawn.shape[0] > 48
    assert drawn.shape[0] % 2 == 0
    planes = below.render_yuv(one)
    assert (planes.height, planes.width) == drawn.shape[:2]
    shown = planes.reformat(format="rgb24").to_ndarray().astype(int)
    assert np.abs(shown[48:, :1] - drawn[48:, :1]).max() <= 4
    assert np.array_equal(planes.to_ndarray()[:48], plain.render_yuv(one).to_ndarray()[:48])
