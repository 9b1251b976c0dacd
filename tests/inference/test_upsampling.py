"""Frames become smaller and masks larger as `F.interpolate` makes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vlp_rvos.inference.upsampling import dependent_box, resize_image, upsample_box


@pytest.mark.parametrize("size", [(32, 64), (20, 24), (70, 40), (50, 60), (50, 33)])
def test_resizing_rounds_to_whole_bytes_and_takes_any_array(size: tuple[int, int]) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (50, 120, 3), dtype=np.uint8)
    image = wide[:, ::2]
    expected = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    expected = F.interpolate(expected, size, mode="bilinear", align_corners=False, antialias=True)[0]
    found = resize_image(image, size)
    assert found.dtype == torch.uint8
    # Rounded once along each side.
    assert (found - expected).abs().max() <= 1.001
    read_only = image.copy()
    read_only.setflags(write=False)
    assert torch.equal(resize_image(read_only, size), found)
    # Colours in the other order, as cameras give them.
    assert torch.equal(resize_image(image[..., ::-1].copy()[..., ::-1], size), found)


@pytest.mark.parametrize("size", [(48, 64), (135, 240), (37, 91), (20, 30), (5, 7)])
@pytest.mark.parametrize("level", [0.0, 1.5, 3.0, 9.0])
def test_only_the_part_with_the_mask_is_upsampled(size: tuple[int, int], level: float) -> None:
    logits = torch.randn(24, 40)
    whole = F.interpolate(logits[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    box = dependent_box((logits > level).numpy(), size)
    outside = torch.ones(size, dtype=torch.bool)
    if box is not None:
        outside[box] = False
        assert np.abs(upsample_box(logits.numpy(), size, box) - whole[box].numpy()).max() < 1e-6
    assert not (whole[outside] > level).any()


def test_no_box_without_a_pixel() -> None:
    assert dependent_box(np.zeros((24, 40), bool), (48, 64)) is None
