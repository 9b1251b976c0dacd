"""NanoDet-g, a small detector of the 80 classes of COCO.

Written from the published architecture (https://github.com/RangiLyu/nanodet, `nanodet-g`): a cross-stage-partial
network of plain convolutions, a path aggregation network that sums its levels without convolutions, and a head for
each level that predicts every side of a box as a distribution over distances (https://arxiv.org/abs/2006.04388). The
network is used frozen, so it has no batch norms: the published file has them folded into the convolutions.

Shapes: N images, H and W pixels, P locations of all levels together, stride s in 8, 16, 32.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.convolution import Convolution
from vlp_rvos.models.backbones.pretrained_files import Source, load_strictly, read_checkpoint
from vlp_rvos.models.backbones.shipped_weights import NANODET

__all__ = ["CLASS_NAMES", "IMAGE_MEAN", "IMAGE_STD", "STRIDES", "NanoDet", "NanoDetMaps", "boxes", "load_nanodet"]

#: Strides of the levels.
STRIDES = (8, 16, 32)
#: Mean and standard deviation of the pixel normalisation, for RGB in [0, 1].
IMAGE_MEAN, IMAGE_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Names of the classes in the order of the logits, as COCO spells them.
CLASS_NAMES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
#: Number of distances, in strides from 0, that each side of a box is a distribution over.
DISTANCE_BINS = 11
#: Input channels and number of pairs of convolutions of each stage. The first stage keeps its resolution.
STAGES = ((32, 1), (64, 2), (128, 2), (256, 3))
WIDTH = 128


class NanoDetMaps(NamedTuple):
    """What the detector computes for a batch of images, by stride.

    Attributes:
        features: (N, 128, H/s, W/s) levels of the path aggregation network, which the heads read.
        head_features: (N, 128, H/s, W/s) hidden layer of each head, from which classes and boxes are predicted.
        logits: (N, 80, H/s, W/s) class logits. Their sigmoid is the expected IoU of a box of that class.
        distances: (N, 4, H/s, W/s) distances in pixels of the input from the centre of the location to the left, top,
            right and bottom side of its box, each in [0, 10 s].
    """

    features: dict[int, Tensor]
    head_features: dict[int, Tensor]
    logits: dict[int, Tensor]
    distances: dict[int, Tensor]


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1, inplace=True)


def _conv(inputs: int, outputs: int, stride: int = 1) -> Convolution:
    return Convolution(inputs, outputs, 3, stride, padding=1)


class ConvPair(nn.Module):
    """Two convolutions, each half as wide as the input; their outputs side by side, the second one's first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width // 2)
        self.second = _conv(width // 2, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        first = _activate(self.first(x))
        return torch.cat([_activate(self.second(first)), first], 1)


class Stage(nn.Module):
    """A cross-stage-partial block (N, C, h, w) -> (N, 2 C, h / stride, w / stride).

    The result holds the input of the pairs beside their output.
    """

    def __init__(self, width: int, pairs: int, stride: int) -> None:
        super().__init__()
        self.enter = _conv(width, width, stride)
        self.pairs = nn.Sequential(*(ConvPair(width) for _ in range(pairs)))
        self.leave = _conv(width, width)

    def forward(self, x: Tensor) -> Tensor:
        entered = _activate(self.enter(x))
        return torch.cat([_activate(self.leave(self.pairs(entered))), entered], 1)


class Head(nn.Module):
    """Predicts classes and boxes at each location of one level."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = _conv(WIDTH, WIDTH)
        self.predict = Convolution(WIDTH, len(CLASS_NAMES) + 4 * DISTANCE_BINS, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Level (N, 128, h, w) -> hidden layer, class logits (N, 80, h, w), distances (N, 4, h, w) in strides."""
        hidden = _activate(self.hidden(x))
        logits, sides = self.predict(hidden).split([len(CLASS_NAMES), 4 * DISTANCE_BINS], 1)
        bins = torch.arange(DISTANCE_BINS, dtype=x.dtype, device=x.device)[:, None, None]
        return hidden, logits, (sides.unflatten(1, (4, DISTANCE_BINS)).softmax(2) * bins).sum(2)


class NanoDet(nn.Module):
    """The detector. It starts with random weights; `load_nanodet` gives the pretrained ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, 32, 2)
        self.stages = nn.ModuleList(
            Stage(width, pairs, stride=1 if index == 0 else 2) for index, (width, pairs) in enumerate(STAGES)
        )
        self.laterals = nn.ModuleList(Convolution(2 * width, WIDTH, 1) for width, _ in STAGES[1:])
        self.heads = nn.ModuleList(Head() for _ in STRIDES)

    def forward(self, images: Tensor) -> NanoDetMaps:
        """Detect in images.

        Args:
            images: (N, 3, H, W) RGB images, normalised by `IMAGE_MEAN` and `IMAGE_STD`. Padding is 0 after the
                normalisation.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        height, width = images.shape[-2:]
        if height % STRIDES[-1] or width % STRIDES[-1]:
            raise ValueError(f"an image of {width} x {height} pixels: both must be multiples of {STRIDES[-1]}")
        levels = self._aggregate(self._forward_stages(images))
        features = dict(zip(STRIDES, levels, strict=True))
        maps = NanoDetMaps(features, {}, {}, {})
        for stride, head in zip(STRIDES, self.heads, strict=True):
            maps.head_features[stride], maps.logits[stride], distances = head(features[stride])
            maps.distances[stride] = distances * stride
        return maps

    def _forward_stages(self, images: Tensor) -> list[Tensor]:
        x = F.max_pool2d(_activate(self.stem(images)), 3, 2, padding=1)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs[1:]

    def _aggregate(self, outputs: list[Tensor]) -> list[Tensor]:
        """Outputs of the stages with strides 8, 16 and 32 -> levels, summed from coarse to fine and back."""
        levels = [lateral(output) for lateral, output in zip(self.laterals, outputs, strict=True)]
        for to, source in ((1, 2), (0, 1), (1, 0), (2, 1)):
            size = levels[to].shape[-2:]
            # `align_corners=False` without antialiasing is what the network was trained with, also when it shrinks.
            levels[to] = levels[to] + F.interpolate(levels[source], size, mode="bilinear", align_corners=False)
        return levels


def boxes(distances: dict[int, Tensor]) -> Tensor:
    """Boxes of all locations, not clipped.

    Args:
        distances: `NanoDetMaps.distances`.

    Returns:
        (N, P, 4) x0, y0, x1, y1 in pixels of the input, level by level, each row by row. The order is that of
        `torch.cat([level.flatten(2) for level in maps.logits.values()], 2)`.
    """
    parts = []
    for stride, level in distances.items():
        height, width = level.shape[-2:]
        y = ((torch.arange(height, device=level.device) + 0.5) * stride)[:, None]
        x = (torch.arange(width, device=level.device) + 0.5) * stride
        left, top, right, bottom = level.unbind(1)
        parts.append(torch.stack([x - left, y - top, x + right, y + bottom], -1).flatten(1, 2))
    return torch.cat(parts, 1)


def load_nanodet() -> NanoDet:
    """The detector with the shipped weights, frozen, in float32.

    Raises:
        UserError: The shipped file cannot be read, or is damaged.
    """
    net = NanoDet()
    load_strictly(net, read_checkpoint(NANODET), lambda name: Source((name,)), str(NANODET), lambda name: False)
    # With channels last, a CPU takes about two thirds of the time.
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.eval().requires_grad_(False)
