"""Pack predicted masks into the zip files that the evaluation servers take.

Ref-YouTube-VOS: `Annotations/<video>/<expression id>/<frame>.png`. MeViS: `<video>/<expression id>/<frame>.png`.
Sources: the submission instructions of the two challenges (youtube-vos.org, and the README of MeViS).
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.mask_paths import expression_mask_path
from vlp_rvos.utils.atomic import replace_file, write_failure
from vlp_rvos.utils.output_files import refuse_foreign

__all__ = ["LAYOUTS", "is_submission", "write_submission"]

LAYOUTS = {"ref-youtube-vos": "Annotations", "mevis": ""}
"""Name of a benchmark -> folder in the zip that holds the videos."""

# The earliest time that the format can hold, for every file: the same masks must give the same bytes.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
UNIX = 3
MODE = 0o644 << 16

PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def write_submission(
    dataset: ReferringDataset,
    predictions: Path,
    target: Path,
    *,
    on_file: Callable[[int, int], None] | None = None,
) -> int:
    """Pack the masks of a split. All of them must be there; other files in the folder are left out.

    The same masks give the same bytes. The zip file appears only when it is complete.

    Args:
        dataset: the split that the server scores.
        predictions: folder of the masks, `<video>/<expression id>/<frame>.png`, as `vlp-rvos evaluate <benchmark> -o`
            writes it; or the folder that holds it as `Annotations`.
        target: the zip file to write.
        on_file: called after every file with the number of files done and their total.

    Returns:
        The number of masks in the zip.

    Raises:
        UserError: no server scores the benchmark; a mask is missing, not a PNG file, or differs in size from the others
            of its video; the zip cannot be written; or another file stands in its place. The message names the first
            missing mask and how many there are.
    """
    if dataset.name not in LAYOUTS:
        raise UserError(f"no evaluation server takes results of {dataset.name}; use one of {', '.join(LAYOUTS)}")
    if not predictions.is_dir():
        raise UserError(f"no such folder of predicted masks: {predictions}")
    if (predictions / "Annotations").is_dir():
        predictions = predictions / "Annotations"
    files = list(_files(dataset))
    _check(dataset, predictions)
    refuse_foreign(target, is_submission)
    prefix = PurePosixPath(LAYOUTS[dataset.name])

    def write(path: Path) -> None:
        # PNG files are compressed already. Without compression the bytes do not depend on the compressor's version.
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for done, file in enumerate(files, start=1):
                entry = zipfile.ZipInfo(str(prefix / file.as_posix()), FIXED_TIME)
                entry.create_system, entry.external_attr = UNIX, MODE
                archive.writestr(entry, (predictions / file).read_bytes())
                if on_file is not None:
                    on_file(done, len(files))

    try:
        replace_file(target, write)
    except OSError as error:
        raise write_failure(target, error) from error
    return len(files)


def is_submission(path: Path) -> bool:
    """Whether a file is a zip that `write_submission` wrote, by the fixed properties of its entries."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return bool(entries) and all(
        entry.date_time == FIXED_TIME
        and entry.compress_type == zipfile.ZIP_STORED
        and (entry.create_system, entry.external_attr) == (UNIX, MODE)
        and entry.filename.endswith(".png")
        for entry in entries
    )


def _files(dataset: ReferringDataset) -> Iterator[Path]:
    for video in dataset.videos:
        for expression in video.expressions:
            for frame in video.frames:
                yield expression_mask_path(video.name, expression.id, frame)


def _check(dataset: ReferringDataset, predictions: Path) -> None:
    missing, total = [], 0
    for video in dataset.videos:
        first: tuple[Path, tuple[int, int]] | None = None
        for expression in video.expressions:
            for frame in video.frames:
                total += 1
                path = predictions / expression_mask_path(video.name, expression.id, frame)
                try:
                    size = _png_size(path)
                except FileNotFoundError:
                    missing.append(path)
                    continue
                first = first or (path, size)
                if size != first[1]:
                    sizes = f"{size[0]}x{size[1]}, but {first[0]} is {first[1][0]}x{first[1][1]}"
                    raise UserError(f"{path} is {sizes}: masks must have the size of the video's frames")
    if missing:
        raise UserError(
            f"incomplete: {len(missing)} of {total} masks of {dataset.name} {dataset.split} are missing, "
            f"the first one is {missing[0]}"
        )
    if not total:
        raise UserError(f"{dataset.name} {dataset.split} has no expressions")


def _png_size(path: Path) -> tuple[int, int]:
    """Width and height of an image. Only the start of the file is read."""
    try:
        with path.open("rb") as file:
            start = file.read(len(PNG_START) + 8)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if not start.startswith(PNG_START) or len(start) != len(PNG_START) + 8:
        raise UserError(f"{path} is not a PNG file")
    width, height = struct.unpack(">II", start[len(PNG_START) :])
    return width, height
