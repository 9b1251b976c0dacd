from __future__ import annotations

import numpy as np
import pytest
import torch

from vlp_rvos.data import picture_views
from vlp_rvos.data.outlined_pictures import LoadedPicture
from vlp_rvos.data.picture_views import draw_variant, draw_view


def picture(height: int = 64, width: int = 96, *, crowd: bool = False) -> LoadedPicture:
    """A white square of 32 pixels on black, in the middle."""
    mask = np.zeros((1, height, width), bool)
    mask[0, height // 2 - 16 : height // 2 + 16, width // 2 - 16 : width // 2 + 16] = True
    pixels = np.repeat(mask[0, :, :, None], 3, -1).astype(np.uint8) * 255
    return LoadedPicture(pixels, mask, ("1",), (crowd,))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole pictures in their own colours."""
    for name in ("ZOOMED_SHARE", "RECOLOURED_SHARE", "GREY_SHARE"):
        monkeypatch.setattr(picture_views, name, 0.0)


def test_masks_lie_on_their_things(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECOLOURED_SHARE", "GREY_SHARE"):
        monkeypatch.setattr(picture_views, name, 0.0)
    compared = 0
    for seed in range(20):
        view = draw_view(picture(), (64, 64), np.random.default_rng(seed))
        bright = torch.nn.functional.avg_pool2d(view.pixels[:1].float(), 4)[0]
        for mask in view.masks:
            # Positions on the edge are of both colours.
            assert (bright[mask] > 50).all()
            assert not mask[bright < 50].any()
            assert not mask[~view.valid].any()
            compared += 1
    assert compared > 10


@pytest.mark.usefixtures("plain")
def test_a_whole_picture_is_fitted_into_the_view() -> None:
    view = draw_view(picture(64, 128), (64, 64), np.random.default_rng(0), complete=True)
    assert view.pixels.shape == (3, 64, 64)
    assert view.valid.sum() == 8 * 16
    assert view.masks.shape == (1, 16, 16)
    assert int(view.masks.sum()) == 4 * 4
    assert view.complete
    assert int((view.pixels == 127).all(0).sum()) == 32 * 64


@pytest.mark.usefixtures("plain")
def test_half_of_the_views_are_mirrored() -> None:
    one_sided = picture()
    one_sided.masks[0, :, :48] = False
    sides = {
        bool(draw_view(one_sided, (64, 96), np.random.default_rng(seed)).masks[0, :, 12:].any()) for seed in range(9)
    }
    assert sides == {False, True}


@pytest.mark.usefixtures("plain")
def test_groups_and_what_is_hardly_seen_are_ignored() -> None:
    view = draw_view(picture(crowd=True), (64, 96), np.random.default_rng(0))
    assert len(view.masks) == 0
    assert int(view.ignored.sum()) == 64
    tiny = picture()
    tiny.masks[0] = False
    tiny.masks[0, :8, :8] = True
    view = draw_view(tiny, (64, 96), np.random.default_rng(0))
    assert (len(view.masks), int(view.ignored.sum())) == (0, 4)


def test_colours_change_and_stay_in_range() -> None:
    views = [draw_view(picture(), (64, 96), np.random.default_rng(seed)).pixels for seed in range(4)]
    assert len({int(view.sum()) for view in views}) == 4
    assert {view.dtype for view in views} == {torch.uint8}


def test_a_picture_without_things() -> None:
    empty = LoadedPicture(np.zeros((40, 60, 3), np.uint8), np.zeros((0, 40, 60), bool), (), ())
    view = draw_view(empty, (32, 64), np.random.default_rng(0))
    assert view.masks.shape == (0, 8, 16)
    assert not view.ignored.any()


def test_a_variant_keeps_things_whole_and_on_their_pixels() -> None:
    sizes = set()
    for seed in range(20):
        drawn = draw_variant(picture(), np.random.default_rng(seed))
        assert drawn.pixels.shape[:2] == drawn.masks.shape[1:]
        assert drawn.masks.sum() == 32 * 32
        inside, outside = drawn.pixels[drawn.masks[0]], drawn.pixels[~drawn.masks[0]]
        assert inside.min() > outside.max()
        sizes.add(drawn.masks.shape[1:])
    heights, widths = zip(*sizes, strict=True)
    # Sides are lost and gained.
    assert min(heights) < 64 < max(heights)
    assert min(widths) < 96 < max(widths)


def test_a_variant_of_a_picture_without_things_has_its_size_or_more() -> None:
    empty = picture()
    drawn = draw_variant(LoadedPicture(empty.pixels, empty.masks[:0], (), ()), np.random.default_rng(0))
    assert drawn.masks.shape[0] == 0
    assert drawn.pixels.shape[0] >= 64
