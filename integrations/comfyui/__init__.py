"""A node for ComfyUI: images of a video and words in, masks out.

Copy or link this folder into `ComfyUI/custom_nodes/`, and install the package `vlp-rvos` into ComfyUI's Python.
An IMAGE is a tensor (B, H, W, C) of floats in [0, 1]; a MASK is (B, H, W).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "SegmentByWords"]


class SegmentByWords:
    """Finds what the words say in every image of a batch, which are the frames of one video."""

    CATEGORY = "mask"
    FUNCTION = "segment"
    RETURN_TYPES = ("MASK", "FLOAT")
    RETURN_NAMES = ("mask", "score")
    DESCRIPTION = "Marks what the words mean in each frame of a video (VLP-RVOS)."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The inputs, as ComfyUI asks for them."""
        return {
            "required": {
                "images": ("IMAGE",),
                "expression": ("STRING", {"default": "the red car", "multiline": False}),
            },
            "optional": {
                "model": ("STRING", {"default": "mini"}),
                "threshold": ("FLOAT", {"default": 0.5, "min": 0.01, "max": 0.99, "step": 0.01}),
                "size": ("INT", {"default": 0, "min": 0, "max": 2048, "step": 32}),
            },
        }

    def segment(
        self, images: torch.Tensor, expression: str, model: str = "mini", threshold: float = 0.5, size: int = 0
    ) -> tuple[torch.Tensor, float]:
        """Segment a batch of frames.

        Args:
            images: (B, H, W, C) float in [0, 1], C of 3 or more; channels after the third are left out.
            expression: What to find, for example "the red car".
            model: Name of a model, or path of a checkpoint or folder.
            threshold: Foreground probability above which a pixel belongs to the mask, in (0, 1).
            size: Network input size in pixels; 0 for the model's own.

        Returns:
            (B, H, W) float32 mask, 0 or 1, and the mean score over the frames, in [0, 1].

        Raises:
            ValueError: The images have another shape, or the expression is empty.
        """
        if images.ndim != 4 or images.shape[-1] < 3:
            raise ValueError(f"images must be (B, H, W, 3), not {tuple(images.shape)}")
        segmenter = _segmenter(model, threshold, size or None)
        frames = (_to_uint8(image) for image in images)
        masks = torch.zeros(images.shape[:3], dtype=torch.float32)
        scores = []
        for i, result in enumerate(segmenter.segment(frames, expression)):
            masks[i] = torch.from_numpy(result.mask.astype(np.float32))
            scores.append(result.score)
        return masks, float(np.mean(scores))


@lru_cache(maxsize=1)
def _segmenter(model: str, threshold: float, size: int | None) -> Any:
    """The model, which stays loaded from run to run."""
    from vlp_rvos import Segmenter

    options = {} if size is None else {"size": size}
    return Segmenter.from_pretrained(model, threshold=threshold, **options)


def _to_uint8(image: torch.Tensor) -> np.ndarray:
    """(H, W, C) float in [0, 1] as (H, W, 3) uint8 RGB."""
    return (image[..., :3].detach().float().clamp(0, 1) * 255).round().byte().cpu().numpy()


NODE_CLASS_MAPPINGS = {"VLPRVOSSegmentByWords": SegmentByWords}
NODE_DISPLAY_NAME_MAPPINGS = {"VLPRVOSSegmentByWords": "Segment by words (VLP-RVOS)"}
