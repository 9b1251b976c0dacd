"""The stem of `mini` on its shipped weights.

`tests/tools/test_convert_backbones.py` compares it with the published network.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vlp_rvos.models.backbones import efficientnet_lite
from vlp_rvos.models.backbones.efficientnet_lite import ConvSame, EfficientNetLite
from vlp_rvos.models.backbones.mini import load_mini


@pytest.fixture(scope="module")
def net() -> EfficientNetLite:
    return load_mini().stem


def test_dense_classes_average_to_the_classifier_where_the_map_is_constant(net: EfficientNetLite) -> None:
    deepest = torch.rand(1, net.widths[32], 1, 1).expand(-1, -1, 2, 3)
    with torch.inference_mode():
        dense = net.classify(deepest)
    assert dense.shape == (1, 1000, 2, 3)
    torch.testing.assert_close(dense[..., 0, 0], dense[..., 1, 2])


def test_strides_and_widths(net: EfficientNetLite) -> None:
    with torch.inference_mode():
        maps = net.forward_features(torch.randn(1, 3, 64, 96))
    assert {stride: tuple(level.shape[1:]) for stride, level in maps.items()} == {
        4: (24, 16, 24),
        8: (48, 8, 12),
        16: (120, 4, 6),
        32: (352, 2, 3),
    }


def test_nothing_of_it_is_trained(net: EfficientNetLite) -> None:
    assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("size", [(5, 6), (6, 5), (5, 5), (6, 6)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_padding_the_kernel_is_padding_the_map(size: tuple[int, int], kernel: int) -> None:
    conv = ConvSame(4, 4, kernel, 2, groups=4)
    images = torch.rand(2, 4, *size)
    height, width = (max(kernel - (n % 2 or 2), 0) for n in size)
    padded = F.pad(images, (width // 2, width - width // 2, height // 2, height - height // 2))
    torch.testing.assert_close(conv(images), F.conv2d(padded, conv.weight, conv.bias, 2, groups=4))


@pytest.mark.parametrize("frames_at_once", [0, 2])
def test_frames_are_independent_of_how_many_come_together(
    net: EfficientNetLite, frames_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(efficientnet_lite, "PIXELS_AT_ONCE", frames_at_once * 64 * 96)
    images = torch.randn(5, 3, 64, 96)
    with torch.inference_mode():
        together, one = net.forward_features(images), net.forward_features(images[-1:])
    for stride, level in together.items():
        assert len(level) == len(images)
        torch.testing.assert_close(level[-1:], one[stride], atol=1e-4, rtol=1e-4)


def test_gradients_pass(net: EfficientNetLite) -> None:
    images = torch.randn(1, 3, 64, 64, requires_grad=True)
    net(images).sum().backward()
    assert images.grad is not None
    assert images.grad.any()
