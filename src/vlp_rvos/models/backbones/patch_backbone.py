"""What CLIP and VLMo have in common: a vision transformer on patches, and a text transformer on word embeddings."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vlp_rvos.models.backbones.backbone import Backbone, FrameTokens
from vlp_rvos.models.backbones.expression_tokenizer import TextBatch

__all__ = ["PatchBackbone", "resize_table"]


class PatchBackbone(Backbone):
    """A backbone whose first vision layer reads [CLS | patches].

    Attributes:
        patch_embedding: Convolution from pixels to patches; its stride is its kernel size.
        cls_token: The CLS token, d_v numbers of any shape that broadcasts to (N, 1, d_v).
        text_length: Longest text that the text tower has positions for, in tokens.
    """

    patch_embedding: nn.Conv2d
    cls_token: nn.Parameter
    text_length: int

    @abstractmethod
    def place_words(self, words: Tensor) -> Tensor:
        """Word embeddings (B, S, d_t) -> input of the first text layer, with position and type embeddings."""

    @abstractmethod
    def place_patches(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """[CLS | patches] (N, 1 + h*w, d_v) -> input of the first vision layer, with position and type embeddings."""

    def embed_text(self, text: TextBatch) -> Tensor:
        """See `Backbone.embed_text`.

        Raises:
            ValueError: The text is longer than `text_length`.
        """
        length = text.ids.shape[1]
        if length > self.text_length:
            raise ValueError(f"{length} tokens do not fit {self.name}: it takes {self.text_length}")
        return self.place_words(self.word_embedding(text.ids))

    def embed_frames(self, images: Tensor, pool: int = 1) -> FrameTokens:
        height, width = images.shape[-2:]
        grid = self.check_size(height, width, pool)
        patches = self.patch_embedding(images).flatten(2).transpose(1, 2)
        cls = self.cls_token.to(patches.dtype).expand(patches.shape[0], 1, -1)
        return FrameTokens(self.place_patches(torch.cat([cls, patches], dim=1), grid), grid, patches)


def resize_table(table: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """Resize a table of values on a square to another size, bicubic.

    Args:
        table: (side * side, C) values, row by row.
        side: Side length of the square.
        size: (height, width) of the result.

    Returns:
        (height * width, C) values, row by row; `table` itself where the size is the same.
    """
    if size == (side, side):
        return table
    square = table.T.reshape(1, -1, side, side)
    return F.interpolate(square, size, mode="bicubic", align_corners=False)[0].flatten(1).T
