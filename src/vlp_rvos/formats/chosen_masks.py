"""Which masks go into one output: those of all expressions together, or one output for each expression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlp_rvos.formats.file_names import safe_name
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.segmented_video import VideoHeader
from vlp_rvos.media.frame_record import FrameRecord

__all__ = ["ChosenMask", "chosen_masks"]


@dataclass(frozen=True)
class ChosenMask:
    """The masks that one output shows.

    Attributes:
        name: Name of the output, safe as a name of a file, without suffix.
        number: Number of the expression, counted from 0; None for all together.
    """

    name: str
    number: int | None

    def of(self, result: FrameRecord) -> npt.NDArray[np.bool_]:
        """(H, W) bool mask of a frame."""
        if self.number is None:
            return np.asarray(result.masks.any(axis=0))
        return np.asarray(result.masks[self.number])


def chosen_masks(header: VideoHeader, options: FormatOptions) -> list[ChosenMask]:
    """The outputs: one that is called like the video, or with `each` one for each expression, numbered from 1."""
    if not options.each:
        return [ChosenMask(header.name, None)]
    texts = enumerate(header.expressions)
    return [ChosenMask(f"{i + 1:02d}-{safe_name(text, 'thing')}", i) for i, text in texts]
