"""Labelled frames whose masks are images: palette PNG folders, DAVIS, Ref-YouTube-VOS, and CVAT's MOTS PNG.

Shapes: (H, W) pixels of the frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError
from vlp_rvos.formats.file_names import visible
from vlp_rvos.formats.labelled_frames import LabelledFrame, LabelledFrames, LabelledThing, existing_file
from vlp_rvos.media.image_files import open_image, read_object_ids
from vlp_rvos.utils.natural_order import natural_order

__all__ = ["read_davis", "read_mots", "read_palette_folder", "read_ref_youtube_vos"]

PICTURES = (".jpg", ".jpeg", ".png")
INSTANCES = 1000
IGNORED = 10
#: An object id; more digits would be no value of a pixel.
_ID = re.compile(r"[0-9]{1,3}")


def read_ref_youtube_vos(folder: Path) -> LabelledFrames:
    """Videos in the layout of Ref-YouTube-VOS; see `YTVOSDataset`. Expressions that name no object are left out.

    Raises:
        UserError: The folder does not follow the layout.
    """
    dataset = YTVOSDataset(folder)

    def frames() -> Iterator[LabelledFrame]:
        for video in dataset.videos:
            said: dict[int, list[str]] = {}
            for expression in video.expressions:
                if expression.object_id is not None:
                    said.setdefault(expression.object_id, []).append(expression.text)
            for index, name in enumerate(video.frames):
                path = dataset.annotation_path(video.name, name)
                if existing_file(path) is None:
                    continue
                things = tuple(
                    LabelledThing(str(number), "", tuple(texts), partial(_mask_of, path, number))
                    for number, texts in sorted(said.items())
                )
                yield LabelledFrame(
                    video.name, name, index, None, existing_file(dataset.frame_path(video.name, name)), things
                )

    return LabelledFrames(folder, "ref-youtube-vos", frames)


def read_davis(folder: Path) -> LabelledFrames:
    """Videos in the layout of DAVIS: `Annotations/<resolution>/<video>/<frame>.png`, images under `JPEGImages`.

    DAVIS holds no words. Where `objects.txt` lists them, as `vlp-rvos convert` writes it, they are the expressions.

    Raises:
        UserError: There are no annotations.
    """
    root = folder / "Annotations"
    resolutions = [path for path in visible(root.iterdir()) if path.is_dir()]
    # Some folders leave out the level of resolutions.
    nested = [path for path in resolutions if any(inner.is_dir() for inner in visible(path.iterdir()))]
    place = nested[-1] if nested else root
    videos = [path for path in visible(place.iterdir()) if path.is_dir()]
    if not videos:
        raise UserError(f"no videos in {place}: DAVIS has a folder of PNG files for each there")
    expressions = _objects(folder / "objects.txt")

    def frames() -> Iterator[LabelledFrame]:
        for video in videos:
            images = folder / "JPEGImages" / place.relative_to(root) / video.name
            yield from _palette_frames(video, images, video.name, expressions)

    return LabelledFrames(folder, "davis", frames)


def read_palette_folder(folder: Path) -> LabelledFrames:
    """One folder of images of object ids, without frames and words.

    Raises:
        UserError: There are no PNG files.
    """
    if not visible(folder.glob("*.png")):
        raise UserError(f"no PNG files in {folder}")
    return LabelledFrames(folder, "palette", lambda: _palette_frames(folder, None, folder.resolve().name, {}))


def read_mots(folder: Path) -> LabelledFrames:
    """Subsets in the layout of MOTS PNG: `instances/labels.txt`, `instances/<frame>.png` and `images/<frame>.jpg`.

    Args:
        folder: A subset, or a folder of subsets.

    Raises:
        UserError: There is no such subset, or no labels.
    """
    subsets = [path.parent for path in (folder, *visible(folder.iterdir())) for path in [path / "instances"]]
    subsets = [subset for subset in subsets if (subset / "instances" / "labels.txt").is_file()]
    if not subsets:
        raise UserError(f"no instances/labels.txt in {folder} or a folder in it: MOTS PNG has it")

    def frames() -> Iterator[LabelledFrame]:
        for subset in subsets:
            yield from _mots_frames(subset)

    return LabelledFrames(folder, "mots", frames)


def _palette_frames(
    folder: Path, images: Path | None, video: str, expressions: Mapping[int, str]
) -> Iterator[LabelledFrame]:
    files = sorted(visible(folder.glob("*.png")), key=lambda file: natural_order(file.stem))
    for index, path in enumerate(files):
        ids = _ids(path)
        things = tuple(
            LabelledThing(
                str(number),
                "",
                (expressions[number],) if number in expressions else (),
                partial(_mask_of, path, number),
            )
            for number in np.unique(ids).tolist()
            if number
        )
        picture = None if images is None else _picture(images, path.stem)
        yield LabelledFrame(video, path.stem, index, (ids.shape[0], ids.shape[1]), picture, things)


def _mots_frames(subset: Path) -> Iterator[LabelledFrame]:
    instances = subset / "instances"
    text = (instances / "labels.txt").read_text("utf-8-sig", errors="replace")
    labels = [line.strip() for line in text.splitlines() if line.strip()]
    files = sorted(visible(instances.glob("*.png")), key=lambda file: natural_order(file.stem))
    for index, path in enumerate(files):
        values = _deep(path)
        things = []
        for value in np.unique(values).tolist():
            kind, track = divmod(value, INSTANCES)
            # Class 10 means "ignore" where there are fewer labels.
            if kind == 0 or (kind == IGNORED and len(labels) < IGNORED):
                continue
            if kind > len(labels):
                raise UserError(f"{path} has the label number {kind}, but labels.txt lists {len(labels)}")
            load = partial(_value_mask, path, value)
            things.append(LabelledThing(f"{labels[kind - 1]} {track}", labels[kind - 1], (), load))
        size = (values.shape[0], values.shape[1])
        picture = _picture(subset / "images", path.stem)
        yield LabelledFrame(subset.name, path.stem, index, size, picture, tuple(things))


# The things of a frame are asked for one after the other: their image is decoded once, unless it was changed meanwhile.
@lru_cache(maxsize=1)
def _decoded_ids(path: Path, version: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    return read_object_ids(path)


@lru_cache(maxsize=1)
def _decoded_values(path: Path, version: tuple[int, ...]) -> npt.NDArray[np.int64]:
    values = np.asarray(open_image(path))
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise UserError(f"{path} is not an image of 16-bit numbers, as MOTS PNG has them")
    return values.astype(np.int64)


def _ids(path: Path) -> npt.NDArray[np.uint8]:
    """Object ids (H, W) of an image."""
    return _decoded_ids(path, _version(path))


def _deep(path: Path) -> npt.NDArray[np.int64]:
    """The values (H, W) of an image of 16 bits."""
    return _decoded_values(path, _version(path))


def _version(path: Path) -> tuple[int, ...]:
    """What differs between two files that had this path at different times."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _value_mask(path: Path, value: int) -> npt.NDArray[np.bool_]:
    return np.asarray(_deep(path) == value)


def _mask_of(path: Path, number: int) -> npt.NDArray[np.bool_]:
    return np.asarray(_ids(path) == number)


def _objects(path: Path) -> dict[int, str]:
    """Object id -> its expression, from lines of both with a tab between."""
    if not path.is_file():
        return {}
    pairs = (line.partition("\t") for line in path.read_text("utf-8", errors="replace").splitlines())
    return {int(number): text for number, _, text in pairs if _ID.fullmatch(number) and text}


def _picture(folder: Path, stem: str) -> Path | None:
    return next((path for suffix in PICTURES if (path := folder / f"{stem}{suffix}").is_file()), None)
