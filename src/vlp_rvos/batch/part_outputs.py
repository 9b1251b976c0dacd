"""The files that hold the results of one part of a video: a shard of rows, and on demand an overlay and masks.

A shard is a Parquet file with one row for each frame and expression. A COCO mask of a row is its column `segmentation`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vlp_rvos.batch.work_item import WantedExpression
from vlp_rvos.media.frame_record import FrameRecord
from vlp_rvos.media.overlay_video import OverlayWriter
from vlp_rvos.media.palette import palette_png
from vlp_rvos.media.result_writer import ResultWriter
from vlp_rvos.media.rle import encode_mask
from vlp_rvos.media.video_source import VideoInfo
from vlp_rvos.utils.extras import import_optional

__all__ = ["MaskZipWriter", "PartOutputs", "ShardWriter"]

#: Rows that are collected before they are written: memory does not grow with the length of a part.
GROUP_ROWS = 2048


class ShardWriter(ResultWriter):
    """Writes one row for each frame and expression into a Parquet file.

    Args:
        path: the file to write.
        video_uri: the video as the manifest names it.
        expressions: the E expressions, in the order of the masks.
    """

    def __init__(self, path: Path, video_uri: str, expressions: Sequence[WantedExpression]) -> None:
        self._arrow = import_optional("pyarrow", extra="batch")
        self._uri, self._expressions = video_uri, expressions
        self._rows: list[dict[str, Any]] = []
        parquet = import_optional("pyarrow.parquet", extra="batch")
        self._schema = _schema(self._arrow)
        self._file = parquet.ParquetWriter(str(path), self._schema, compression="zstd")

    def write(self, result: FrameRecord) -> None:
        (rows, columns), size = result.box, (result.masks.shape[1], result.masks.shape[2])
        for expression, mask, score, presence in zip(
            self._expressions, result.masks, result.scores, result.presences, strict=True
        ):
            self._rows.append(
                {
                    "video_uri": self._uri,
                    "expression_id": expression.id,
                    "expression": expression.text,
                    "frame": result.index,
                    "time": result.time,
                    "segmentation": encode_mask(mask[rows, columns], (rows.start, columns.start), size),
                    "score": float(score),
                    "presence": float(presence),
                }
            )
        if len(self._rows) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._arrow.Table.from_pylist(self._rows, self._schema))
            self._rows = []

    def close(self) -> None:
        self._flush()
        self._file.close()

    def discard(self) -> None:
        self._file.close()


class MaskZipWriter(ResultWriter):
    """Writes `<frame name>.png` for each frame into one ZIP file, as `PaletteMaskWriter` does into a folder.

    One file, because object stores charge for each and are slow with small ones.

    Args:
        path: the file to write.
    """

    def __init__(self, path: Path) -> None:
        # The pictures are compressed already.
        self._file = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def write(self, result: FrameRecord) -> None:
        rows, columns = result.box
        size = (result.masks.shape[1], result.masks.shape[2])
        png = palette_png(result.labels, (rows.start, columns.start), size, len(result.masks))
        # Without the time of day, equal masks give equal files.
        self._file.writestr(zipfile.ZipInfo(f"{result.name}.png"), png)

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        self._file.close()


class PartOutputs(ExitStack):
    """Writes all outputs of one part into a folder; a context manager.

    Args:
        folder: the folder; files of an earlier part there are replaced.
        video_uri: the video as the manifest names it.
        expressions: what was looked for.
        info: size and frame rate of the video.
        overlay: whether to write an overlay.
        masks: whether to write masks.

    Attributes:
        files: kind of output ("results", "overlays", "masks") -> its file; the results come last.
        frames: number of frames that were written.
    """

    def __init__(
        self,
        folder: Path,
        video_uri: str,
        expressions: Sequence[WantedExpression],
        info: VideoInfo,
        *,
        overlay: bool,
        masks: bool,
    ) -> None:
        super().__init__()
        self.files: dict[str, Path] = {}
        self.frames = 0
        self._writers: list[ResultWriter] = []
        if overlay:
            self.files["overlays"] = folder / "overlay.mp4"
            texts = [expression.text for expression in expressions]
            self._add(OverlayWriter(self.files["overlays"], texts, info.fps, info.pixel_aspect))
        if masks:
            self.files["masks"] = folder / "masks.zip"
            self._add(MaskZipWriter(self.files["masks"]))
        self.files["results"] = folder / "results.parquet"
        self._add(ShardWriter(self.files["results"], video_uri, expressions))

    def _add(self, writer: ResultWriter) -> None:
        self._writers.append(self.enter_context(writer))

    def write(self, result: FrameRecord) -> None:
        """Write the results of the next frame."""
        for writer in self._writers:
            writer.write(result)
        self.frames += 1


def _schema(arrow: Any) -> Any:
    rle = arrow.struct([("size", arrow.list_(arrow.int32())), ("counts", arrow.string())])
    return arrow.schema(
        [
            ("video_uri", arrow.string()),
            ("expression_id", arrow.string()),
            ("expression", arrow.string()),
            ("frame", arrow.int64()),
            ("time", arrow.float64()),
            ("segmentation", rle),
            ("score", arrow.float32()),
            ("presence", arrow.float32()),
        ]
    )
