"""Choose the presence below which a model leaves masks empty, on data that it was never trained on.

    python tools/presence_threshold.py mini --clips DATA/clips/train --pictures DATA/pictures \
        --videos DATA/davis16/train --hold-out rhino --hold-out dance-jump --hold-out scooter-gray

The model looks for every expression and for names of things that are absent. A frame counts as right where the IoU of
its mask is at least 0.5. The threshold is the largest that loses at most the share `--lost` of the right frames,
rounded down to three digits. The script prints how many right frames are lost and how many frames with an absent target
become empty. It changes no file.

`--clips` and `--videos` are folders in the Ref-YouTube-VOS layout; absent things of a video are listed in
`absent_expressions.json`, `{"videos": {name: [text, ...]}}`. `--pictures` is a folder with `instances.json` in COCO's
format, `images/`, and `expressions.json`, `{"images": {file name: {"objects": {annotation id: [text, ...]}, "absent":
[text, ...]}}}`; every second picture is taken.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from script_options import errors_in_one_line, script_parser

from vlp_rvos import FrameResult, Segmenter
from vlp_rvos.arrays import Image
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.files import read_json
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError

#: IoU from which on a mask is right.
RIGHT_IOU = 0.5
#: Frames of a video that are looked at.
MAX_FRAMES = 36

Truth = list[NDArray[np.bool_] | None]


@dataclass(frozen=True)
class Clip:
    """Frames, expressions about them, and the true masks.

    Attributes:
        images: the frames, (H, W, 3) uint8 RGB.
        present: expression -> true mask (H, W) of each frame, None where it is unknown.
        absent: expressions whose target is in none of the frames.
    """

    images: Sequence[Image]
    present: list[tuple[str, Truth]]
    absent: list[str]


@dataclass(frozen=True)
class Choice:
    """A threshold and what it does.

    Attributes:
        threshold: presence below which a mask is left empty.
        right: number of right frames.
        lost: number of right frames that are left empty.
        absent: number of frames with an absent target.
        emptied: number of them that are left empty.
    """

    threshold: float
    right: int
    lost: int
    absent: int
    emptied: int


def video_clips(folder: Path, only: Sequence[str] = ()) -> Iterator[Clip]:
    """The videos of a folder in the Ref-YouTube-VOS layout, or some of them.

    Raises:
        UserError: a file is missing or broken, or a video of `only` is not there.
    """
    reader = YTVOSDataset(folder)
    absent: dict[str, list[str]] = {}
    if (folder / "absent_expressions.json").exists():
        absent = read_json(folder / "absent_expressions.json")["videos"]
    if missing := set(only) - {video.name for video in reader.videos}:
        raise UserError(f"{folder} has no video {', '.join(sorted(missing))}")
    for video in reader.videos:
        if only and video.name not in only:
            continue
        frames = video.frames[:MAX_FRAMES]
        truths = [
            reader.load_ids(video.name, frame) if reader.annotation_path(video.name, frame).exists() else None
            for frame in frames
        ]
        yield Clip(
            [reader.load_frame(video.name, frame) for frame in frames],
            [
                (expression.text, [None if ids is None else ids == expression.object_id for ids in truths])
                for expression in video.expressions
            ],
            absent.get(video.name, []),
        )


def picture_clips(folder: Path) -> Iterator[Clip]:
    """Every second picture that has expressions, as a clip of one frame.

    Raises:
        UserError: a file is missing or broken.
    """
    reader = CocoFolder(folder)
    images = {image.file_name: image for image in reader.images}
    for name, entry in sorted(read_json(folder / "expressions.json")["images"].items())[::2]:
        annotations = {annotation.id: annotation for annotation in reader.annotations_of(images[name])}
        present = [(text, [reader.mask(annotations[key])]) for key, texts in entry["objects"].items() for text in texts]
        yield Clip([reader.load_image(images[name])], list(present), entry.get("absent", []))


def observe(segment: Callable[..., Iterator[FrameResult]], clip: Clip) -> tuple[list[float], list[float]]:
    """Presences of the right frames of a clip, and of the frames with an absent target."""
    expressions = [*(text for text, _ in clip.present), *clip.absent]
    right, absent = [], []
    for t, result in enumerate(segment(iter(clip.images), expressions)):
        for i, (_, truth) in enumerate(clip.present):
            true = truth[t]
            if true is not None and true.any():
                overlap = np.count_nonzero(true & result.masks[i]) / np.count_nonzero(true | result.masks[i])
                if overlap >= RIGHT_IOU:
                    right.append(float(result.presences[i]))
        absent += [float(presence) for presence in result.presences[len(clip.present) :]]
    return right, absent


def choose(right: Sequence[float], absent: Sequence[float], lost: float) -> Choice:
    """The largest threshold that loses at most a share of the right frames, rounded down to three digits.

    Raises:
        UserError: there are no right frames.
    """
    if not right:
        raise UserError("no frame has a right mask, so no threshold can be chosen")
    # A frame is left empty where its presence is below the threshold.
    threshold = math.floor(1000 * sorted(right)[int(lost * len(right))]) / 1000
    return Choice(
        threshold,
        len(right),
        sum(presence < threshold for presence in right),
        len(absent),
        sum(presence < threshold for presence in absent),
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = script_parser(__doc__)
    parser.add_argument("model", help="name of a model, or a checkpoint")
    parser.add_argument("--clips", type=Path, action="append", default=[], metavar="FOLDER", help="folder of videos")
    parser.add_argument("--videos", type=Path, metavar="FOLDER", help="folder of training videos, with --hold-out")
    parser.add_argument("--hold-out", action="append", default=[], metavar="NAME", help="video of --videos to take")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="folder of pictures")
    parser.add_argument("--lost", type=float, default=0.02, help="share of the right frames that may be lost")
    chosen = parser.parse_args(arguments)
    if not (chosen.clips or chosen.videos or chosen.pictures):
        parser.error("name at least one of --clips, --videos and --pictures")
    if bool(chosen.videos) != bool(chosen.hold_out):
        parser.error("--videos needs --hold-out: the other videos of the folder were trained on")
    if not 0 <= chosen.lost < 1:
        parser.error("--lost is a share from 0 to 1")
    return chosen


@errors_in_one_line
def main() -> None:
    arguments = parse()
    segmenter = Segmenter.from_pretrained(arguments.model, runtime="torch", presence_threshold=0.0)
    right: list[float] = []
    absent: list[float] = []
    sources = [video_clips(folder) for folder in arguments.clips]
    if arguments.videos:
        sources.append(video_clips(arguments.videos, arguments.hold_out))
    if arguments.pictures:
        sources.append(picture_clips(arguments.pictures))
    # On standard error: the result alone goes to standard output.
    for clip in track(itertools.chain(*sources), "segmenting", console=Console(stderr=True)):
        found = observe(segmenter.segment, clip)
        right += found[0]
        absent += found[1]
    choice = choose(right, absent, arguments.lost)
    print(json.dumps(asdict(choice)))


if __name__ == "__main__":
    sys.exit(main())
