"""The training data of the alignment: crops of annotated images, with the frozen stem's feature maps.

The stem is frozen, so its maps are computed once for every crop and kept in memory. Shapes: R annotated regions of an
image, (H, W) pixels, (h, w) patches, C channels of a feature map.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.models.backbones.mini import MiniBackbone
from vlp_rvos.pretraining.align_config import AlignConfig
from vlp_rvos.pretraining.class_names import SYNONYMS

__all__ = ["AnnotatedImage", "Crop", "annotated_images", "cache_crops", "random_crop"]

#: (H, W) of a crop, by the shape of the image
LANDSCAPE, PORTRAIT, SQUARE = (224, 384), (384, 224), (288, 288)


@dataclass
class Crop:
    """The stem's feature maps of a crop, and what is where in it.

    Attributes:
        maps: stride in pixels -> (C, h, w) bfloat16 feature map of the stem; 0 -> its class map in text space.
        regions: (R, h, w) bfloat16 in [0, 1], the share of every patch that each region covers.
        phrases: for each region, indices of its phrases in the vocabulary.
        held_out: whether the crop is for validation.
    """

    maps: dict[int, Tensor]
    regions: Tensor
    phrases: list[list[int]]
    held_out: bool


@dataclass
class AnnotatedImage:
    """An image to take crops from.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        masks: (R, H, W) bool mask of each region.
        phrases: for each region, its phrases.
        held_out: whether the image is for validation.
        crops: number of crops to take.
    """

    image: np.ndarray
    masks: np.ndarray
    phrases: list[list[str]]
    held_out: bool
    crops: int


def annotated_images(config: AlignConfig) -> Iterator[AnnotatedImage]:
    """The photographs with a region for each category, then the video frames with one region for all objects."""
    stills = CocoFolder(config.stills)
    for image in stills.images:
        annotations = stills.annotations_of(image)
        by_category: dict[str, list[np.ndarray]] = defaultdict(list)
        for annotation in annotations:
            by_category[annotation.category].append(stills.mask(annotation))
        if by_category:
            yield AnnotatedImage(
                stills.load_image(image),
                np.stack([np.any(masks, axis=0) for masks in by_category.values()]),
                [[name, *SYNONYMS.get(name, ())] for name in by_category],
                is_held_out(image.file_name),
                config.crops,
            )
    if not config.videos:
        return
    videos = YTVOSDataset(config.videos)
    for video in videos.videos:
        for frame in video.frames[:: config.video_stride]:
            yield AnnotatedImage(
                videos.load_frame(video.name, frame),
                (videos.load_ids(video.name, frame) > 0)[None],
                [[expression.text for expression in video.expressions]],
                video.name in config.hold_out,
                1,
            )


def random_crop(source: AnnotatedImage, rng: np.random.Generator, whole: bool) -> tuple[Tensor, Tensor]:
    """Crop, resize, mirror and change the contrast and brightness of an image at random.

    Args:
        source: the image.
        rng: source of the random numbers.
        whole: take the largest crop of the right aspect ratio, neither mirrored nor recoloured.

    Returns:
        The image (3, H, W) in [0, 1], and the share of every patch that each region covers, (R, H / 16, W / 16).
    """
    height, width = source.image.shape[:2]
    shape = LANDSCAPE if width > 1.25 * height else PORTRAIT if height > 1.25 * width else SQUARE
    aspect = shape[1] / shape[0]
    scale = 1.0 if whole else rng.uniform(0.5, 1.0)
    crop_height = min(height, width / aspect) * scale
    crop_width = crop_height * aspect
    top, left = rng.uniform(0, height - crop_height), rng.uniform(0, width - crop_width)
    box = np.s_[int(top) : int(top + crop_height), int(left) : int(left + crop_width)]
    image = torch.from_numpy(source.image[box].copy()).permute(2, 0, 1)[None].float() / 255
    masks = torch.from_numpy(source.masks[(slice(None), *box)].copy())[None].float()
    image = F.interpolate(image, size=shape, mode="bilinear", antialias=True)[0]
    masks = F.interpolate(masks, size=(shape[0] // 16, shape[1] // 16), mode="area")[0]
    if not whole:
        image = ((image - 0.5) * rng.uniform(0.7, 1.2) + 0.5 + rng.uniform(-0.1, 0.1)).clamp(0, 1)
        if rng.random() < 0.5:
            image, masks = image.flip(-1), masks.flip(-1)
    return image, masks


@torch.inference_mode()
def cache_crops(backbone: MiniBackbone, config: AlignConfig) -> tuple[list[Crop], list[str]]:
    """All crops that show a region, with the stem's maps, and the vocabulary: all phrases of these crops."""
    rng = np.random.default_rng(config.seed)
    vocabulary: dict[str, int] = {}
    found: list[Crop] = []
    for source in annotated_images(config):
        for _ in range(1 if source.held_out else source.crops):
            image, regions = random_crop(source, rng, whole=source.held_out)
            with torch.autocast("cpu", torch.bfloat16):
                maps = backbone.stem_maps(backbone.normalize(image[None]).contiguous(memory_format=torch.channels_last))
            seen = [index for index in range(len(regions)) if regions[index].max() > 0.3]
            if not seen:
                continue
            phrases = [[vocabulary.setdefault(p, len(vocabulary)) for p in source.phrases[i]] for i in seen]
            kept = {stride: maps[stride][0].to(torch.bfloat16).clone() for stride in (16, 32, 0)}
            found.append(Crop(kept, regions[seen].to(torch.bfloat16), phrases, source.held_out))
    return found, list(vocabulary)
