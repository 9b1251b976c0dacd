"""Write masks as a folder of palette PNGs, one for each frame."""

from __future__ import annotations

import shutil
from pathlib import Path

from vlp_rvos.media.palette import palette_png
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.results import FrameResult
from vlp_rvos.utils.atomic import part_path, replace_folder

__all__ = ["PaletteMaskWriter"]


class PaletteMaskWriter(ResultWriter):
    """Writes `<frame name>.png` for each frame: object ids 1 to E in the DAVIS palette; 0 is background.

    Args:
        folder: The folder to write. An existing one is replaced when the new one is complete.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._part = part_path(folder)
        self._part.mkdir()

    def write(self, result: FrameResult) -> None:
        rows, columns = result.box
        size = (result.masks.shape[1], result.masks.shape[2])
        png = palette_png(result.labels, (rows.start, columns.start), size, len(result.masks))
        (self._part / f"{result.name}.png").write_bytes(png)

    def close(self) -> None:
        replace_folder(self.folder, self._part)

    def discard(self) -> None:
        shutil.rmtree(self._part, ignore_errors=True)
