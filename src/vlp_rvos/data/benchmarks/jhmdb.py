"""JHMDB-Sentences: one person and one sentence in each video. Models trained on A2D-Sentences are evaluated on it.

```
<folder>/jhmdb_annotation.txt                            video_id,query, with a header
<folder>/Rename_Images/<class>/<video>/<frame>.png       frames, named by their number from 1
<folder>/puppet_mask/<class>/<video>/puppet_mask.mat     part_mask, (H, W, F): a mask for each frame; the last frames of
                                                         some videos have none
<folder>/jhmdb_sentences_samples_metadata.json           which frames are scored (optional):
                                                         [[video, frame file, mask file, frames, query], ...]
```
Source: Gavrilyuk et al., "Actor and Action Video Segmentation from a Sentence" (CVPR 2018), on the videos and masks of
Jhuang et al., "Towards Understanding Action Recognition" (ICCV 2013).

Three frames of each video are scored, sampled uniformly among those with a mask. This is the rule of MTTR (Botach et
al., CVPR 2022, section "JHMDB-Sentences" of its README), and later work shares its sample, the optional file. Without
the file another sample is drawn, always the same one for a video, and results differ a little from published ones [D:
our decision, see `docs/method.md`].
"""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp_rvos.data.benchmarks.completeness import CheckItem, check_item, try_to_read
from vlp_rvos.data.benchmarks.referring_dataset import ReferringDataset, ReferringExpression, ReferringVideo
from vlp_rvos.data.benchmarks.tables import read_table
from vlp_rvos.data.sources.files import check_videos, plain_name, read_json
from vlp_rvos.errors import UserError
from vlp_rvos.media.image_files import read_rgb
from vlp_rvos.utils.extras import import_optional
from vlp_rvos.utils.natural_order import natural_order

__all__ = ["SPLITS", "JHMDBSentences", "check", "open_split"]

SPLITS = ("test",)

VIDEOS, SCORED_FRAMES_PER_VIDEO = 928, 3

SENTENCES_FILE = "jhmdb_annotation.txt"
SAMPLES_FILE = "jhmdb_sentences_samples_metadata.json"
MASKS_KEY = "part_mask"

VIDEOS_SOURCE = "get Rename_Images.tar.gz and puppet_mask.zip from the project page of JHMDB (jhmdb.is.tue.mpg.de)"
SENTENCES_SOURCE = (
    "get it from the project page of JHMDB-Sentences (kgavrilyuk.github.io/publication/actor_action) into this folder"
)
SAMPLES_SOURCE = (
    "without it other frames are scored than in published results; get it from the repository of MTTR"
    " (github.com/mttr2021/MTTR) into this folder"
)


class JHMDBSentences(ReferringDataset):
    """JHMDB-Sentences. Only frames that are scored have an annotation; the person is object 1.

    Args:
        folder: root of the data set.
        split: "test".
        name: name of the data set.

    Raises:
        UserError: a file or a video's folder is missing, or does not follow the layout.
    """

    def __init__(self, folder: Path, split: str, name: str) -> None:
        self.name, self.split = name, split
        self._folders = _video_folders(folder / "Rename_Images")
        self._masks = _video_folders(folder / "puppet_mask")
        self._samples = _samples(folder / SAMPLES_FILE)
        self._last: tuple[str, NDArray[np.bool_]] | None = None
        self.videos = []
        for video, query in _sentences(folder / SENTENCES_FILE):
            if video not in self._folders:
                raise UserError(f"no frames of video '{video}' in {folder / 'Rename_Images'}; {VIDEOS_SOURCE}")
            expression = ReferringExpression("0", " ".join(query.split()), (1,))
            self.videos.append(ReferringVideo(video, _frames(self._folders[video]), [expression]))
        described = {video.name for video in self.videos}
        others = [ReferringVideo(video, (), ()) for video in self._folders if video not in described]
        check_videos([*self.videos, *others], folder / SENTENCES_FILE)

    def load_frame(self, video: str, frame: str) -> NDArray[np.uint8]:
        return read_rgb(self._folders[video] / f"{frame}.png")

    def load_objects(self, video: str, frame: str) -> dict[int, NDArray[np.bool_]] | None:
        """{1: mask (H, W)} of the person; None if the protocol does not score the frame.

        Raises:
            UserError: the masks are missing or unreadable, or there is none for a frame that is scored.
        """
        number = int(frame)
        if self._samples is not None and number not in self._samples.get(video, ()):
            return None
        masks = self._load_masks(video)
        if self._samples is None and number not in _sample(video, len(masks)):
            return None
        if not 1 <= number <= len(masks):
            raise UserError(
                f"{self._mask_file(video)} has {len(masks)} masks, but {SAMPLES_FILE} scores frame {number}: they come"
                " from different data sets; download both again"
            )
        return {1: masks[number - 1]}

    def _mask_file(self, video: str) -> Path:
        if video not in self._masks:
            raise UserError(f"no puppet masks of video '{video}'; {VIDEOS_SOURCE}")
        return self._masks[video] / "puppet_mask.mat"

    def _load_masks(self, video: str) -> NDArray[np.bool_]:
        """All masks of a video, (F, H, W). They are kept until another video is asked for."""
        if self._last is None or self._last[0] != video:
            self._last = video, _read_masks(self._mask_file(video))
        return self._last[1]


def open_split(folder: Path, split: str, name: str) -> JHMDBSentences:
    """Open the only split. See `JHMDBSentences`."""
    return JHMDBSentences(folder, split, name)


def check(folder: Path, name: str) -> list[CheckItem]:
    """Compare sentences, videos, masks and scored frames with the official numbers. See `check_benchmark`."""
    rows, sentences_hint = try_to_read(lambda: _sentences(folder / SENTENCES_FILE), SENTENCES_SOURCE)
    videos = {video for video, _ in rows}
    frames, masks = _video_folders(folder / "Rename_Images"), _video_folders(folder / "puppet_mask")
    samples, samples_hint = try_to_read(lambda: list((_samples(folder / SAMPLES_FILE) or {}).items()), SAMPLES_SOURCE)
    scored = sum(len(numbers) for video, numbers in samples if video in videos)
    return [
        check_item(f"sentences ({SENTENCES_FILE})", len(rows), VIDEOS, sentences_hint),
        check_item("videos (Rename_Images)", len(videos & frames.keys()), VIDEOS, VIDEOS_SOURCE),
        check_item(
            "videos with masks (puppet_mask)",
            sum((masks[video] / "puppet_mask.mat").is_file() for video in videos & masks.keys()),
            VIDEOS,
            VIDEOS_SOURCE,
        ),
        check_item(f"scored frames ({SAMPLES_FILE})", scored, VIDEOS * SCORED_FRAMES_PER_VIDEO, samples_hint),
    ]


def _sentences(file: Path) -> list[list[str]]:
    """Video and sentence of every row."""
    rows = read_table(file, 2, ("video_id", "query"))
    seen: set[str] = set()
    for video, _ in rows:
        if plain_name(video, file) in seen:
            raise UserError(f"{file}: video '{video}' has two sentences")
        seen.add(video)
    return rows


def _video_folders(folder: Path) -> dict[str, Path]:
    """Video -> its folder; the folders are grouped by class."""
    return {path.name: path for path in sorted(folder.glob("*/*")) if not path.name.startswith(".")}


def _frames(folder: Path) -> list[str]:
    names = sorted((file.stem for file in folder.glob("*.png") if file.stem.isdecimal()), key=natural_order)
    if not names:
        raise UserError(f"no frames in {folder}; unpack them again")
    return names


def _samples(file: Path) -> dict[str, set[int]] | None:
    """Video -> numbers of its scored frames; None if there is no such file."""
    if not file.is_file():
        return None
    rows = read_json(file)
    samples: defaultdict[str, set[int]] = defaultdict(set)
    for row in rows if isinstance(rows, list) else [None]:
        video, path = row[:2] if isinstance(row, list) and len(row) == 5 else (None, None)
        number = _frame_number(path)
        if number is None:
            raise UserError(
                f"{file} must be a list of [video, frame file, mask file, frames, query]; download it again"
            )
        # The paths are those of the authors' machine; only the video and the number of the frame matter.
        samples[plain_name(video, file)].add(number)
    return dict(samples)


def _frame_number(path: Any) -> int | None:
    stem = path.rpartition("/")[2].removesuffix(".png") if isinstance(path, str) else ""
    return int(stem) if stem.isdecimal() else None


def _sample(video: str, frames: int) -> list[int]:
    return sorted(random.Random(video).sample(range(1, frames + 1), min(SCORED_FRAMES_PER_VIDEO, frames)))


def _read_masks(file: Path) -> NDArray[np.bool_]:
    scipy_io = import_optional("scipy.io", extra="benchmarks")
    if not file.is_file():
        raise UserError(f"no such file: {file}; {VIDEOS_SOURCE}")
    try:
        stored = scipy_io.loadmat(file, variable_names=[MASKS_KEY])[MASKS_KEY]
    # A broken file makes SciPy raise many kinds of exceptions, which have no common base.
    except Exception as error:
        raise UserError(
            f"cannot read the masks of {file} ({type(error).__name__}: {error}); unpack it again"
        ) from error
    if stored.ndim == 2:
        stored = stored[:, :, None]
    if stored.ndim != 3 or stored.dtype.kind not in "buif":
        raise UserError(f"{file} holds {MASKS_KEY} of shape {stored.shape}, not H x W x F; unpack it again")
    return np.ascontiguousarray(stored.transpose(2, 0, 1) != 0)
