"""Opens data sets of pictures and videos with outlined things, and parts what is held out from what is learned."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlp_rvos.data.further_expressions import find_expressions
from vlp_rvos.data.line_ups import draw_line_up
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.outlined_pictures import VIDEO, OutlinedPicture, StillPicture, VideoClip, VideoFrame
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.sources.described_pictures import EXPRESSIONS, DescribedPictures, PictureExpression
from vlp_rvos.data.sources.files import read_json
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.data.synthesis.stills import StillBank
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.plain_text import is_blank

__all__ = ["OpenedSource", "missing_folders", "open_available", "open_pictures"]

#: False expressions of videos: {"videos": {NAME: [expression, ...]}}
ABSENT = "absent_expressions.json"
#: Number of frames of the clips of videos.
CLIP_LENGTH = 6


@dataclass(frozen=True)
class OpenedSource:
    """The pictures of one source.

    Attributes:
        source: Its configuration.
        training: The pictures to train on, each with something outlined.
        held_out: Those that are held out.
        clips: Clips to train on.
        line_ups: Several of the training pictures side by side, see `PictureSource.line_ups`.
    """

    source: PictureSource
    training: tuple[OutlinedPicture, ...]
    held_out: tuple[OutlinedPicture, ...]
    clips: tuple[VideoClip, ...] = ()
    line_ups: tuple[OutlinedPicture, ...] = ()


def open_pictures(sources: Sequence[PictureSource], data: MixtureConfig) -> tuple[OpenedSource, ...]:
    """Open the data sets of pictures.

    A source that is not there is passed over, see `missing_folders`. Where none of them has a picture, the videos and
    stills of the mixture are taken, with what the mixture holds out.

    Args:
        sources: The data sets.
        data: The mixture that the rest of the model is trained on: root, and videos that are held out everywhere.

    Raises:
        UserError: A list is broken, or nothing is left to train on.
    """
    for chosen in (sources, _of_mixture(data)):
        opened = open_available(chosen, data)
        if any(source.training for source in opened):
            return opened
    tried = [source.folder for source in sources] + [source.folder for source in data.sources]
    names = ", ".join(sorted({str(Path(data.root) / folder) for folder in tried}))
    raise UserError(f"no picture with an outlined thing is left to train on; looked in: {names}")


def open_available(sources: Sequence[PictureSource], data: MixtureConfig) -> tuple[OpenedSource, ...]:
    """Open those of the data sets of pictures that are there; see `open_pictures`.

    Raises:
        UserError: A list is broken.
    """
    folders = _Folders()
    return tuple(found for source in sources if (found := folders.open(source, data)) is not None)


def missing_folders(sources: Sequence[PictureSource], data: MixtureConfig) -> list[Path]:
    """The folders of the sources that are not there, each once."""
    folders = dict.fromkeys(Path(data.root) / source.folder for source in sources)
    return [folder for folder in folders if not folder.is_dir()]


def _of_mixture(data: MixtureConfig) -> list[PictureSource]:
    found = []
    for source in data.sources:
        if source.kind == "stills":
            found.append(PictureSource(source.folder, weight=source.weight, hold_out_share=data.hold_out_share))
        elif source.kind == "videos" and source.images is None:
            found.append(PictureSource(source.folder, "videos", source.weight, hold_out_share=0.0, frames=12))
    return found


def _is_held_out(what: OutlinedPicture | VideoClip, source: PictureSource, data: MixtureConfig) -> bool:
    named = source.kind == "videos" and what.unit in data.hold_out
    return named or is_held_out(what.unit, source.hold_out_share)


class _Folders:
    """Opens data sets; a list of pictures is read once, however many sources take a part of it."""

    def __init__(self) -> None:
        self.banks: dict[Path, StillBank] = {}
        self.said: dict[tuple[Path, ...], dict[str, tuple[PictureExpression, ...]]] = {}

    def open(self, source: PictureSource, data: MixtureConfig) -> OpenedSource | None:
        """The pictures of a source; None if there are none."""
        folder = Path(data.root) / source.folder
        if not folder.is_dir():
            return None
        found: Sequence[OutlinedPicture]
        clips: Sequence[VideoClip] = ()
        if source.kind == "pictures":
            found = self._open_pictures(source, folder, [find_expressions(x, data.root) for x in source.expressions])
        else:
            found, clips = _open_videos(source, folder)
        held = [(_is_held_out(picture, source, data), picture) for picture in found]
        training, held_out = (tuple(p for is_held, p in held if is_held == wanted) for wanted in (False, True))
        seen = tuple(clip for clip in clips if not _is_held_out(clip, source, data))
        stills = [picture for picture in training if isinstance(picture, StillPicture)]
        drawn = (draw_line_up(stills, seed) for seed in range(source.line_ups))
        line_ups = tuple(line_up for line_up in drawn if line_up is not None)
        return OpenedSource(source, training, held_out, seen, line_ups) if found else None

    def _open_pictures(self, source: PictureSource, folder: Path, others: Sequence[Path]) -> list[StillPicture]:
        if folder not in self.banks:
            self.banks[folder] = StillBank(CocoFolder(folder))
        bank, said = self.banks[folder], self._read_expressions(folder, others)
        return [
            StillPicture(bank, image, said.get(image.file_name, ()))
            for image in bank.images
            if not source.collections or image.source in source.collections
            if not all(annotation.crowd for annotation in bank.coco.annotations_of(image))
        ]

    def _read_expressions(self, folder: Path, others: Sequence[Path]) -> dict[str, tuple[PictureExpression, ...]]:
        """What is said of the pictures of a folder, by their names; nothing where it describes none."""
        if not (folder / EXPRESSIONS).is_file():
            if others:
                names = ", ".join(str(file) for file in others)
                warnings.warn(
                    VLPRVOSWarning(f"{folder} has no {EXPRESSIONS}, so that what {names} says of it is passed over"),
                    stacklevel=2,
                )
            return {}
        files = (folder, *others)
        if files not in self.said:
            described = DescribedPictures(folder, others).pictures
            self.said[files] = {picture.name: picture.expressions for picture in described}
        return self.said[files]


def _open_videos(source: PictureSource, folder: Path) -> tuple[list[VideoFrame], list[VideoClip]]:
    dataset = YTVOSDataset(folder)
    false = _absent_expressions(folder / ABSENT)
    found: list[VideoFrame] = []
    clips: list[VideoClip] = []
    for video in dataset.videos:
        said = [PictureExpression(x.text.strip(), (str(x.object_id),), VIDEO) for x in video.expressions if x.is_usable]
        said += [PictureExpression(text, (), VIDEO) for text in false.get(video.name, ())]
        frames = [frame for frame in video.frames if dataset.annotation_path(video.name, frame).is_file()]
        if source.frames and len(frames) > source.frames:
            frames = [frames[k * len(frames) // source.frames] for k in range(source.frames)]
        found += [VideoFrame(dataset, video, frame, said) for frame in frames]
        texts = tuple({x.text: x for x in reversed(said)}.values())[::-1]
        for k in range(source.clips if texts else 0):
            start = k * len(video.frames) // source.clips
            window = tuple(video.frames[start :: source.stride][:CLIP_LENGTH])
            if len(window) > 1:
                clips.append(VideoClip(f"{video.name}/clip {start}", dataset, video.name, window, texts))
    return found, clips


def _absent_expressions(file: Path) -> dict[str, list[str]]:
    if not file.is_file():
        return {}
    content = read_json(file)
    videos = content.get("videos") if isinstance(content, dict) else None
    if not isinstance(videos, dict) or not all(
        isinstance(texts, list) and all(isinstance(text, str) and not is_blank(text) for text in texts)
        for texts in videos.values()
    ):
        raise UserError(f'{file} is not of the form {{"videos": {{NAME: [expression, ...]}}}}')
    return {name: [text.strip() for text in texts] for name, texts in videos.items()}
