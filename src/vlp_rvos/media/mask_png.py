"""Write masks as a folder of palette PNGs, one for each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlp_rvos.errors import UserError
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.image_files import open_image
from vlp_rvos.media.masks_reader import FrameMasks
from vlp_rvos.media.palette import is_unmarked_palette_png, palette_png
from vlp_rvos.media.png_mark import is_marked_png
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.utils.output_set import ADVICE, OutputSet, is_taken
from vlp_rvos.utils.staging import is_staging

__all__ = ["PaletteMaskWriter", "check_mask_folder"]


class PaletteMaskWriter(ResultWriter):
    """Writes `<frame name>.png` for each frame: object ids 1 to E in the DAVIS palette; 0 is background.

    Args:
        folder: The folder to write. An existing one is replaced when the new one is complete.

    Raises:
        UserError: The folder holds something that no such writer wrote; see `check_mask_folder`.
    """

    def __init__(self, folder: Path) -> None:
        check_mask_folder(folder)
        self._output = OutputSet(folder.parent, {folder.name: check_mask_folder})
        self._part = self._output.part(folder.name)
        self._part.mkdir()

    def write(self, result: FrameRecord) -> None:
        rows, columns = result.box
        size = (result.masks.shape[1], result.masks.shape[2])
        png = palette_png(result.labels, (rows.start, columns.start), size, len(result.masks))
        (self._part / f"{result.name}.png").write_bytes(png)

    def close(self) -> None:
        self._output.close()

    def discard(self) -> None:
        self._output.discard()


def check_mask_folder(folder: Path, earlier: Callable[[], Iterable[FrameMasks]] | None = None) -> None:
    """Check that a path is free, an empty folder, or holds nothing but masks that `PaletteMaskWriter` wrote.

    Masks that were changed since count as the user's own.

    Args:
        folder: The path.
        earlier: Gives the frames of the `masks.json` beside the folder. Version 0.1.0 wrote masks without marks; they
            are known by showing what `masks.json` says.

    Raises:
        UserError: It is something else.
    """
    if not is_taken(folder, "folder"):
        return
    files = [path for path in sorted(folder.iterdir()) if not is_staging(path)]
    foreign = [path for path in files if not is_marked_png(path)]
    if not foreign or (earlier is not None and _are_unmarked_masks(files, earlier)):
        return
    what = f"{foreign[0].name!r}" + (f" and {len(foreign) - 1} more" if len(foreign) > 1 else "")
    raise UserError(f"{folder} holds {what} that vlp-rvos did not write, or that were changed since: {ADVICE}")


def _are_unmarked_masks(files: list[Path], earlier: Callable[[], Iterable[FrameMasks]]) -> bool:
    if not all(is_unmarked_palette_png(path) for path in files):
        return False
    remaining = {path.name: path for path in files}
    try:
        for frame in earlier():
            path = remaining.pop(f"{frame.name}.png", None)
            if path is None or not _shows(np.asarray(open_image(path)), frame.masks):
                return False
    except UserError:
        return False
    return not remaining


def _shows(labels: npt.NDArray[np.uint8], masks: npt.NDArray[np.bool_]) -> bool:
    """Whether object ids (H, W) are those of masks (E, H, W); where masks overlap, any of them may be on top."""
    if labels.shape != masks.shape[1:] or labels.max() > len(masks):
        return False
    inside = labels > 0
    on_top = np.take_along_axis(masks, np.maximum(labels, 1)[None].astype(np.intp) - 1, 0)[0]
    return bool(np.array_equal(inside, masks.any(0)) and on_top[inside].all())
