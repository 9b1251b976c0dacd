"""Read labelled frames in the layouts of annotation tools and data sets, without being told which it is."""

from __future__ import annotations

import lzma
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlp_rvos.data.sources.files import read_json
from vlp_rvos.errors import UserError
from vlp_rvos.formats.file_names import visible
from vlp_rvos.formats.labelled_frames import LabelledFrame, LabelledFrames, LabelledThing, VideoFrameReference
from vlp_rvos.formats.labelled_images import read_davis, read_mots, read_palette_folder, read_ref_youtube_vos
from vlp_rvos.formats.labelled_lists import read_coco, read_ytvis
from vlp_rvos.formats.labelled_tasks import read_label_studio
from vlp_rvos.formats.segmented_video import MASKS_JSON
from vlp_rvos.media.masks_reader import FrameMasks, read_masks
from vlp_rvos.media.video_source import DEFAULT_FPS, FRAME_RATES
from vlp_rvos.utils.special_files import refuse_special_file

__all__ = ["read_labelled"]

META = "meta_expressions.json"
#: Bytes that must stay free on the disk when a zip file is unpacked: a small one must not fill it.
KEPT_FREE = 2**30
#: What `zipfile` raises where a zip file is damaged: its own error, and those of the compression and of the system.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError, struct.error)
LAYOUTS = (
    "the output of vlp-rvos segment, COCO, YouTube-VIS, MOTS PNG, a JSON export of Label Studio, DAVIS, "
    "Ref-YouTube-VOS, or a folder of palette PNGs"
)


def read_labelled(path: str | Path, video: str | Path | None = None) -> LabelledFrames:
    """Open labelled frames. Which layout it is follows from what is there.

    Lists are read at once, masks and images when they are asked for. A zip file, such as an export of CVAT, is
    unpacked into a temporary folder, which is removed with the result.

    Args:
        path: A folder or a zip file in one of these layouts, or the JSON file of one: the output of
            `vlp-rvos segment`, COCO (CVAT's "COCO 1.0" too), YouTube-VIS, CVAT's "MOTS PNG 1.0", a JSON export of Label
            Studio with brush masks or polygons, DAVIS, Ref-YouTube-VOS, a folder of palette PNGs.
        video: The video that the output of `vlp-rvos segment` is of; without it, its frames have no pixels.

    Raises:
        UserError: There is no such path, it has none of these layouts, or a list in it is broken.
    """
    path = Path(path)
    if not os.path.exists(path):
        raise UserError(f"no such file or folder: {path}")
    refuse_special_file(path)
    if path.is_dir():
        return _read_folder(path, None if video is None else Path(video))
    if path.suffix.lower() == ".json":
        return _read_json_file(path, None if video is None else Path(video))
    if zipfile.is_zipfile(path):
        return _read_zip(path)
    raise UserError(f"{path} is neither a folder, nor a JSON file, nor a zip file; labelled data is {LAYOUTS}")


def _read_folder(folder: Path, video: Path | None) -> LabelledFrames:
    if (folder / MASKS_JSON).is_file():
        return _read_segmented(folder / MASKS_JSON, video)
    if (folder / META).is_file() or (folder / "meta_expressions").is_dir():
        return read_ref_youtube_vos(folder)
    if (folder / "Annotations").is_dir():
        return read_davis(folder)
    lists = [folder / name for name in ("instances.json", "tasks.json", "labels.json")]
    lists += visible(folder.glob("annotations/instances_*.json")) + visible(folder.glob("*.json"))
    listed = next((file for file in lists if file.is_file()), None)
    if (folder / "instances").is_dir() or any(folder.glob("*/instances/labels.txt")):
        return read_mots(folder)
    if listed is not None:
        return _read_json_file(listed, video)
    if visible(folder.glob("*.png")):
        return read_palette_folder(folder)
    raise UserError(f"nothing labelled in {folder}; labelled data is {LAYOUTS}")


def _read_json_file(file: Path, video: Path | None) -> LabelledFrames:
    if file.name == MASKS_JSON:
        return _read_segmented(file, video)
    if file.name == META:
        return read_ref_youtube_vos(file.parent)
    content = read_json(file)
    if isinstance(content, list):
        return read_label_studio(file)
    keys = content.keys() if isinstance(content, dict) else set()
    if {"videos", "annotations", "categories"} <= keys:
        return read_ytvis(file)
    if {"images", "annotations", "categories"} <= keys:
        return read_coco(file)
    if {"frames", "expressions", "model"} <= keys:
        return _read_segmented(file, video)
    raise UserError(f"{file} holds nothing labelled; labelled data is {LAYOUTS}")


def _read_zip(path: Path) -> LabelledFrames:
    unpacked = tempfile.TemporaryDirectory(prefix="vlp-rvos-")
    folder = Path(unpacked.name)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > shutil.disk_usage(folder).free - KEPT_FREE:
                raise UserError(
                    f"{path} holds {size / 1e9:.1f} GB, for which {tempfile.gettempdir()} has no room: "
                    "unpack it elsewhere, and give the folder"
                )
            # Names that would lead out of the folder are changed, so that they do not.
            archive.extractall(folder)
        # Some programs pack the folder itself.
        while len(inside := visible(folder.iterdir())) == 1 and inside[0].is_dir() and not _is_subset(inside[0]):
            folder = inside[0]
        found = _read_folder(folder, None)
    except ZIP_ERRORS as error:
        unpacked.cleanup()
        raise UserError(f"cannot unpack {path}: {error}") from error
    except BaseException:
        unpacked.cleanup()
        raise

    def frames() -> Iterator[LabelledFrame]:
        # The folder lives as long as what reads it.
        assert unpacked is not None
        yield from found

    return replace(found, path=path, read=frames)


def _is_subset(folder: Path) -> bool:
    """Whether a folder has a name of a layout itself."""
    return folder.name in ("Annotations", "annotations", "instances", "meta_expressions")


def _read_segmented(file: Path, video: Path | None) -> LabelledFrames:
    masks = read_masks(file)
    rate = masks.video.get("fps")
    fps = float(rate) if isinstance(rate, int | float) and rate in FRAME_RATES else DEFAULT_FPS
    name = str(masks.video.get("name", ""))

    def frames() -> Iterator[LabelledFrame]:
        for frame in masks:
            things = tuple(
                LabelledThing(str(i + 1), "", (text,), partial(_mask_at, frame, i))
                for i, text in enumerate(frame.expressions)
                if frame.masks[i].any()
            )
            place = None if video is None else VideoFrameReference(video, frame.time, fps)
            size = (frame.masks.shape[1], frame.masks.shape[2])
            yield LabelledFrame(name, frame.name, frame.index, size, place, things)

    return LabelledFrames(file, "segment", frames)


def _mask_at(frame: FrameMasks, number: int) -> npt.NDArray[np.bool_]:
    return np.asarray(frame.masks[number])
