"""EfficientNet-Lite, the convolutional stem of the `mini` backbone.

Written from the published architecture (https://arxiv.org/abs/1905.11946) and its Lite variants, which have no
squeeze-and-excite, ReLU6, and a stem and a head of fixed width. The network is used frozen, so it has no batch norms:
`tools/convert_backbones.py` folds them into the convolutions.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.convolution import Convolution

__all__ = ["EfficientNetLite"]

#: Variant -> (width multiplier, depth multiplier).
VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
#: Repeats, kernel size, stride, expansion and output channels of each stage of the base network.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
#: Number of pixels of frames that pass through the network together. More do not fit into the processor's caches.
PIXELS_AT_ONCE = 450_000


def _round_channels(channels: int, multiplier: float) -> int:
    scaled = channels * multiplier
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class ConvSame(Convolution):
    """Convolution with TensorFlow's "SAME" padding, which puts an odd pixel of padding at the right and the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max(kernel - (n % stride or stride), 0) for n in x.shape[-2:])
        if (height % 2 or width % 2) and torch.compiler.is_compiling():
            # The convolutions of other runtimes can pad each side by itself.
            around = (width // 2, (width + 1) // 2, height // 2, (height + 1) // 2)
            return self.convolve(F.pad(x, around), (0, 0))
        # A zero row or column before the kernel takes up the superfluous pixel, where a padded map is a copy.
        return self.convolve(x, ((height + 1) // 2, (width + 1) // 2), (height % 2, width % 2))


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection, with a residual sum where the shape stays the same."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvSame(inputs, hidden, 1, clamped=True) if expansion > 1 else None
        self.depthwise = ConvSame(hidden, hidden, kernel, stride, groups=hidden, clamped=True)
        self.project = ConvSame(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(x if self.expand is None else self.expand(x)))
        return y.add_(x) if self.residual else y  # type: ignore[no-any-return]


class EfficientNetLite(nn.Module):
    """The network as a feature pyramid and a dense classifier. It starts with random weights.

    Args:
        variant: Name of the variant, "lite0", "lite1" or "lite2".

    Attributes:
        stage_ends: Index of the last block of each stride -> the stride.
        widths: Stride -> number of channels of the last map with that stride.
    """

    def __init__(self, variant: str = "lite2") -> None:
        super().__init__()
        width, depth = VARIANTS[variant]
        self.variant = variant
        self.stem = ConvSame(3, 32, 3, 2, clamped=True)
        self.blocks = nn.ModuleList()
        inputs, stride = 32, 2
        self.stage_ends: dict[int, int] = {}
        self.widths: dict[int, int] = {}
        for index, (repeats, kernel, stage_stride, expansion, channels) in enumerate(STAGES):
            fixed = index in (0, len(STAGES) - 1)
            outputs = _round_channels(channels, width)
            for repeat in range(repeats if fixed else math.ceil(repeats * depth)):
                self.blocks.append(
                    InvertedResidual(inputs, outputs, kernel, stage_stride if repeat == 0 else 1, expansion)
                )
                inputs = outputs
            stride *= stage_stride
            self.stage_ends[len(self.blocks) - 1] = stride
            self.widths[stride] = inputs
        self.head = ConvSame(inputs, 1280, 1, clamped=True)
        self.classifier = nn.Linear(1280, 1000)

    def forward_features(self, images: Tensor) -> dict[int, Tensor]:
        """Normalised images (N, 3, H, W) -> the last map of each stride 4, 8, 16, 32: (N, C, H/stride, W/stride)."""
        # The large maps of few frames stay in the processor's caches. A GPU and an exported graph take all frames.
        if images.device.type != "cpu" or torch.compiler.is_compiling():
            return self._forward_features(images)
        at_once = max(1, PIXELS_AT_ONCE // (images.shape[-2] * images.shape[-1]))
        if len(images) <= at_once:
            return self._forward_features(images)
        parts = [self._forward_features(part) for part in images.split(at_once)]
        return {stride: torch.cat([part[stride] for part in parts]) for stride in parts[0]}

    def _forward_features(self, images: Tensor) -> dict[int, Tensor]:
        x = self.stem(images)
        maps: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                maps[self.stage_ends[index]] = x
        del maps[2]
        return maps

    def classify(self, deepest: Tensor) -> Tensor:
        """Stride-32 map (N, C, h, w) -> logits of the 1000 ImageNet classes at every position, (N, 1000, h, w)."""
        x = self.head(deepest)
        weight = self.classifier.weight[:, :, None, None]
        return F.conv2d(x, weight, self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """The classifier as it was published: normalised images (N, 3, H, W) -> logits (N, 1000)."""
        x = self.head(self.forward_features(images)[32])
        return self.classifier(x.mean((-2, -1)))  # type: ignore[no-any-return]
