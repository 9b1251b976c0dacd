"""Write masks as one palette PNG per frame."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from vlp_rvos.media.palette import palette_png
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.results import FrameResult
from vlp_rvos.utils.atomic import part_path

__all__ = ["PaletteMaskWriter"]


class PaletteMaskWriter(ResultWriter):
    """Writes one palette PNG a frame, `<frame name>.png`: object ids 1 to E in the DAVIS palette, 0 background.

    Args:
        folder: where they go; an earlier folder of this name is replaced when the new one is complete.
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
        old = self._part.with_suffix(".old")
        if self.folder.exists():
            os.replace(self.folder, old)
        try:
            os.replace(self._part, self.folder)
        except OSError:
            with suppress(OSError):
                os.replace(old, self.folder)
            raise
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)

    def discard(self) -> None:
        shutil.rmtree(self._part, ignore_errors=True)
