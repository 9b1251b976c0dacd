"""Pictures with outlined things and what is said of them, from data sets of pictures and from frames of videos.

Shapes: N things of a picture, (H, W) pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.data.language.invariance import mirror_expression
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.sources.coco import CocoFolder, CocoImage
from vlp_rvos.data.sources.described_pictures import EXPRESSIONS, DescribedPictures, PictureExpression
from vlp_rvos.data.sources.files import read_json
from vlp_rvos.data.sources.holdout import is_held_out
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset, check_sizes
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.data.synthesis.scene_clip import SceneClip
from vlp_rvos.data.synthesis.stills import StillBank
from vlp_rvos.errors import UserError

__all__ = [
    "GENERATED",
    "LoadedPicture",
    "OpenedSource",
    "OutlinedPicture",
    "VideoClip",
    "mirrored_text",
    "missing_folders",
    "open_available",
    "open_pictures",
]

#: `PictureExpression.origin` of generated expressions
GENERATED = "generated"
#: `PictureExpression.origin` of the expressions of videos
VIDEO = "video"
#: False expressions of videos: {"videos": {NAME: [expression, ...]}}
ABSENT = "absent_expressions.json"
#: An object id that marks pixels which belong to nothing.
VOID = 255
#: Number of frames of the clips of videos.
CLIP_LENGTH = 6
#: Share of generated expressions that refer to nothing.
GENERATED_ABSENT = 0.25


@dataclass(frozen=True)
class LoadedPicture:
    """A picture and the outlines in it.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        masks: (N, H, W) bool.
        ids: N ids of the things, which expressions name.
        crowd: N times whether the outline is a group that is not split into its members.
    """

    pixels: Image
    masks: NDArray[np.bool_]
    ids: tuple[str, ...]
    crowd: tuple[bool, ...]

    def mirrored(self) -> LoadedPicture:
        """The same seen in a mirror; see `mirrored_text` for what is said of it."""
        pixels, masks = np.ascontiguousarray(self.pixels[:, ::-1]), np.ascontiguousarray(self.masks[:, :, ::-1])
        return LoadedPicture(pixels, masks, self.ids, self.crowd)


def mirrored_text(expressions: Sequence[PictureExpression]) -> list[PictureExpression]:
    """The expressions for the mirrored picture: left and right change places."""
    return [PictureExpression(mirror_expression(x.text), x.thing_ids, x.origin) for x in expressions]


class OutlinedPicture(ABC):
    """One picture. Pixels and masks are read each time that they are asked for.

    Attributes:
        name: Name of the picture, unique in its source.
        expressions: What people say of it; may be empty.
        unit: Name of what is held out, or left out with a fold, as a whole: of the picture, or of its video.
    """

    def __init__(self, name: str, expressions: Sequence[PictureExpression], unit: str | None = None) -> None:
        self.name, self.expressions, self.unit = name, tuple(expressions), unit or name

    @abstractmethod
    def load(self) -> LoadedPicture:
        """Read the picture and its masks.

        Raises:
            UserError: A file is missing or broken.
        """

    def generate(self, rng: np.random.Generator, count: int, *, mirrored: bool = False) -> list[PictureExpression]:
        """Make up to `count` expressions about the things, or about their mirror image; none where that cannot be.

        Raises:
            UserError: A file is missing or broken.
        """
        return []


class _Picture(OutlinedPicture):
    def __init__(self, bank: StillBank, image: CocoImage, expressions: Sequence[PictureExpression]) -> None:
        super().__init__(image.file_name, expressions)
        self.bank, self.image = bank, image

    def load(self) -> LoadedPicture:
        coco, size = self.bank.coco, (self.image.height, self.image.width)
        annotations = coco.annotations_of(self.image)
        masks = np.stack([np.zeros(size, bool), *(coco.mask(annotation) for annotation in annotations)])[1:]
        ids, crowd = tuple(a.id for a in annotations), tuple(a.crowd for a in annotations)
        return LoadedPicture(coco.load_image(self.image), masks, ids, crowd)

    def generate(self, rng: np.random.Generator, count: int, *, mirrored: bool = False) -> list[PictureExpression]:
        if not count:
            return []
        still, ids = self.bank.load(self.image), [a.id for a in self.bank.coco.annotations_of(self.image)]
        turn = slice(None, None, -1 if mirrored else 1)
        pixels, labels = still.pixels[:, turn].copy(), still.labels[:, turn].copy()
        frame = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        clip = SceneClip(frame, labels[None], still.objects, still.absent_nouns)
        return [
            PictureExpression(reference.text, tuple(ids[k] for k in sorted(reference.members)), GENERATED)
            for reference in clip.draw_references(rng, count, GENERATED_ABSENT)
        ]


class _VideoFrame(OutlinedPicture):
    def __init__(
        self, dataset: YTVOSDataset, video: VideoEntry, frame: str, expressions: Sequence[PictureExpression]
    ) -> None:
        super().__init__(f"{video.name}/{frame}", expressions, video.name)
        self.dataset, self.video, self.frame = dataset, video.name, frame

    def load(self) -> LoadedPicture:
        ids = self.dataset.load_ids(self.video, self.frame)
        found = [int(i) for i in np.unique(ids) if i not in (0, VOID)]
        masks = ids == np.array(found, ids.dtype)[:, None, None]
        names = tuple(map(str, found))
        return LoadedPicture(self.dataset.load_frame(self.video, self.frame), masks, names, (False,) * len(names))


@dataclass(frozen=True, eq=False)
class VideoClip:
    """Consecutive frames of a video, and what is said of it.

    Attributes:
        name: Name of the clip.
        dataset: The data set.
        video: Name of the video.
        frames: Names of the frames.
        expressions: What is said, each text once.
    """

    name: str
    dataset: YTVOSDataset
    video: str
    frames: tuple[str, ...]
    expressions: tuple[PictureExpression, ...]

    @property
    def unit(self) -> str:
        """See `OutlinedPicture.unit`."""
        return self.video

    def load(self, fit: Callable[[int, int], tuple[int, int]]) -> Sample:
        """Read the frames and masks.

        Args:
            fit: Gives the height and width to resize to from those of the frames.

        Raises:
            UserError: A file is missing or broken.
        """
        frames = [self.dataset.load_frame(self.video, frame) for frame in self.frames]
        check_sizes(frames, self.frames, self.video)
        height, width = fit(*frames[0].shape[:2])
        bilinear, nearest = PillowImage.Resampling.BILINEAR, PillowImage.Resampling.NEAREST
        pixels = np.stack([np.asarray(PillowImage.fromarray(f).resize((width, height), bilinear)) for f in frames])
        masks = np.zeros((len(self.expressions), len(frames), height, width), bool)
        known = [self.dataset.annotation_path(self.video, frame).is_file() for frame in self.frames]
        for f, frame in enumerate(self.frames):
            if known[f]:
                stored = PillowImage.fromarray(self.dataset.load_ids(self.video, frame))
                ids = np.asarray(stored.resize((width, height), nearest))
                for e, x in enumerate(self.expressions):
                    masks[e, f] = np.isin(ids, [int(i) for i in x.thing_ids])
        return Sample(
            torch.from_numpy(pixels).permute(0, 3, 1, 2),
            [x.text for x in self.expressions],
            torch.from_numpy(masks),
            [VIDEO] * len(masks),
            torch.tensor(known).expand(len(masks), -1),
        )


@dataclass(frozen=True)
class OpenedSource:
    """The pictures of one source.

    Attributes:
        source: Its configuration.
        training: The pictures to train on, each with something outlined.
        held_out: Those that are held out.
        clips: Clips to train on.
    """

    source: PictureSource
    training: tuple[OutlinedPicture, ...]
    held_out: tuple[OutlinedPicture, ...]
    clips: tuple[VideoClip, ...] = ()


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
        self.said: dict[Path, dict[str, tuple[PictureExpression, ...]]] = {}

    def open(self, source: PictureSource, data: MixtureConfig) -> OpenedSource | None:
        """The pictures of a source; None if there are none."""
        folder = Path(data.root) / source.folder
        if not folder.is_dir():
            return None
        found: Sequence[OutlinedPicture]
        clips: Sequence[VideoClip] = ()
        if source.kind == "pictures":
            found = self._open_pictures(source, folder)
        else:
            found, clips = _open_videos(source, folder)
        held = [(_is_held_out(picture, source, data), picture) for picture in found]
        training, held_out = (tuple(p for is_held, p in held if is_held == wanted) for wanted in (False, True))
        seen = tuple(clip for clip in clips if not _is_held_out(clip, source, data))
        return OpenedSource(source, training, held_out, seen) if found else None

    def _open_pictures(self, source: PictureSource, folder: Path) -> list[OutlinedPicture]:
        if folder not in self.banks:
            self.banks[folder], self.said[folder] = StillBank(CocoFolder(folder)), {}
            if (folder / EXPRESSIONS).is_file():
                described = DescribedPictures(folder).pictures
                self.said[folder] = {picture.name: picture.expressions for picture in described}
        bank, said = self.banks[folder], self.said[folder]
        return [
            _Picture(bank, image, said.get(image.file_name, ()))
            for image in bank.images
            if not source.collections or image.source in source.collections
            if not all(annotation.crowd for annotation in bank.coco.annotations_of(image))
        ]


def _open_videos(source: PictureSource, folder: Path) -> tuple[list[_VideoFrame], list[VideoClip]]:
    dataset = YTVOSDataset(folder)
    false = _absent_expressions(folder / ABSENT)
    found: list[_VideoFrame] = []
    clips: list[VideoClip] = []
    for video in dataset.videos:
        said = [PictureExpression(x.text.strip(), (str(x.object_id),), VIDEO) for x in video.expressions if x.is_usable]
        said += [PictureExpression(text, (), VIDEO) for text in false.get(video.name, ())]
        frames = [frame for frame in video.frames if dataset.annotation_path(video.name, frame).is_file()]
        if source.frames and len(frames) > source.frames:
            frames = [frames[k * len(frames) // source.frames] for k in range(source.frames)]
        found += [_VideoFrame(dataset, video, frame, said) for frame in frames]
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
        isinstance(texts, list) and all(isinstance(text, str) and text.strip() for text in texts)
        for texts in videos.values()
    ):
        raise UserError(f'{file} is not of the form {{"videos": {{NAME: [expression, ...]}}}}')
    return {name: [text.strip() for text in texts] for name, texts in videos.items()}
