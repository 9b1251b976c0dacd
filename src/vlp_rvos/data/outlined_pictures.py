"""Pictures with outlined things and what is said of them, from data sets of pictures and from frames of videos.

Shapes: N things of a picture, (H, W) pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from vlp_rvos.arrays import Image
from vlp_rvos.data.language.invariance import mirror_expression
from vlp_rvos.data.sources.coco import CocoImage
from vlp_rvos.data.sources.described_pictures import PictureExpression
from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset, check_sizes
from vlp_rvos.data.synthesis.sample import Sample
from vlp_rvos.data.synthesis.scene_clip import SceneClip
from vlp_rvos.data.synthesis.stills import Still, StillBank

__all__ = [
    "GENERATED",
    "VIDEO",
    "LoadedPicture",
    "OutlinedPicture",
    "StillPicture",
    "VideoClip",
    "VideoFrame",
    "generated_expressions",
    "mirrored_text",
]

#: `PictureExpression.origin` of generated expressions
GENERATED = "generated"
#: `PictureExpression.origin` of the expressions of videos
VIDEO = "video"
#: An object id that marks pixels which belong to nothing.
VOID = 255
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


class StillPicture(OutlinedPicture):
    """A picture of a data set of pictures.

    Args:
        bank: The pictures of the data set.
        image: The picture.
        expressions: What people say of it.
    """

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
        ids = [a.id for a in self.bank.coco.annotations_of(self.image)]
        return generated_expressions(self.bank.load(self.image), ids, rng, count, mirrored=mirrored)


class VideoFrame(OutlinedPicture):
    """A frame of a video.

    Args:
        dataset: The data set.
        video: The video.
        frame: Name of the frame.
        expressions: What people say of the video.
    """

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


def generated_expressions(
    still: Still, ids: Sequence[str], rng: np.random.Generator, count: int, *, mirrored: bool
) -> list[PictureExpression]:
    """Make expressions about the things of a picture.

    Args:
        still: The picture.
        ids: Ids of its objects.
        rng: Source of all choices.
        count: Largest number of expressions.
        mirrored: Whether they are about the mirror image.
    """
    turn = slice(None, None, -1 if mirrored else 1)
    pixels, labels = still.pixels[:, turn].copy(), still.labels[:, turn].copy()
    frame = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    clip = SceneClip(frame, labels[None], still.objects, still.absent_nouns)
    return [
        PictureExpression(reference.text, tuple(ids[k] for k in sorted(reference.members)), GENERATED)
        for reference in clip.draw_references(rng, count, GENERATED_ABSENT)
    ]
