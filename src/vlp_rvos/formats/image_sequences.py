"""Sequences of pictures for editors: cut-outs as transparent PNGs, and mattes as OpenEXR.

The pictures of a sequence are numbered from 0 without gaps, which editors expect. They hold no times: the frame rate
is given when the sequence is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from vlp_rvos.formats.chosen_masks import chosen_masks
from vlp_rvos.formats.file_names import safe_name
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.frame_effects import cut_out
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.utils.extras import import_optional, require_installed

__all__ = ["ExrWriter", "PngAlphaWriter"]


class PngAlphaWriter(FormatWriter):
    """Writes `<name>/<name>_00000.png` and so on: the thing with straight alpha, all else transparent black."""

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._outputs, self._count = chosen_masks(header, options), 0
        for output in self._outputs:
            (folder / output.name).mkdir()

    def write(self, result: FrameRecord) -> None:
        for output in self._outputs:
            path = self.folder / output.name / f"{output.name}_{self._count:05d}.png"
            # Fast: most of a cut-out is empty, and compresses well at any level.
            PillowImage.fromarray(cut_out(result.image, output.of(result))).save(path, compress_level=2)
        self._count += 1


class ExrWriter(FormatWriter):
    """Writes `<name>_00000.exr` and so on: mattes of 16-bit real numbers, 1 inside and 0 outside.

    The channel `A` is the matte of all things together; each expression has a layer with one more channel `A`, for
    example `the-dog.A`. All layers are numbered from 1 where two would have one name.
    """

    @classmethod
    def check(cls, video: Path | None, expressions: Sequence[str]) -> None:
        require_installed("OpenEXR", extra="formats")

    def __init__(self, folder: Path, header: VideoHeader, options: FormatOptions) -> None:
        super().__init__(folder, header, options)
        self._exr = import_optional("OpenEXR", extra="formats")
        names = [safe_name(text, "thing").replace(".", "-") for text in header.expressions]
        is_unique = len(set(names)) == len(names)
        self._layers = names if is_unique else [f"{name}-{i + 1}" for i, name in enumerate(names)]
        self._count = 0

    def write(self, result: FrameRecord) -> None:
        header = {
            "compression": self._exr.ZIPS_COMPRESSION,
            "type": self._exr.scanlineimage,
            "pixelAspectRatio": float(self.header.pixel_aspect),
            "comments": f"mattes of {self.header.name} by {self.header.model}",
        }
        channels = {"A": result.masks.any(axis=0).astype(np.float16)}
        channels |= {
            f"{name}.A": mask.astype(np.float16) for name, mask in zip(self._layers, result.masks, strict=True)
        }
        path = self.folder / f"{self.header.name}_{self._count:05d}.exr"
        self._exr.File(header, channels).write(str(path))
        self._count += 1
