"""Composes clips from videos and stills: a camera moves over them, and cut-outs of other pictures move on them.

`docs/method.md`, section 5: random affine motion turns pictures into clips [P]; cut-outs, and all numbers, are our
decision [D]. Shapes: F frames of (H, W) pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vlp_rvos.data.sources.ytvos import VideoEntry, YTVOSDataset
from vlp_rvos.data.synthesis.absent_nouns import COMMON_CATEGORIES, AbsentNouns
from vlp_rvos.data.synthesis.camera import Camera, apply_camera, draw_camera
from vlp_rvos.data.synthesis.cutouts import Cutout, CutoutBank
from vlp_rvos.data.synthesis.motion_paths import draw_path, draw_rider_path
from vlp_rvos.data.synthesis.moving_cutouts import MovingCutoutBank
from vlp_rvos.data.synthesis.pasting import paste_cutout
from vlp_rvos.data.synthesis.recolouring import recolour_objects
from vlp_rvos.data.synthesis.scene_clip import SceneClip
from vlp_rvos.data.synthesis.stills import StillBank, draw_focus, widen_still
from vlp_rvos.data.synthesis.video_clips import draw_video_clip

__all__ = ["SceneComposer"]

_RECOLOURED_SHARE = 0.2


class SceneComposer:
    """Composes clips of one length.

    Args:
        frames: Number of frames F of a clip.
        cutouts: Objects of stills to paste.
        moving_cutouts: Objects of videos to paste.
        absent_nouns: Nouns for expressions about what is not there.
        paste_on_videos: Share of the clips of videos with pasted objects, see `MixtureConfig`.
        paste_on_stills: The same for stills.
        twins: Share of clips with twins, see `MixtureConfig`.
        mounted: Share of clips with a person on something, see `MixtureConfig`.
    """

    def __init__(
        self,
        frames: int,
        cutouts: CutoutBank,
        moving_cutouts: MovingCutoutBank,
        absent_nouns: AbsentNouns,
        *,
        paste_on_videos: float,
        paste_on_stills: float,
        twins: float,
        mounted: float,
    ) -> None:
        self.frames = frames
        self.cutouts, self.moving_cutouts, self.absent_nouns = cutouts, moving_cutouts, absent_nouns
        self.paste_on_videos, self.paste_on_stills = paste_on_videos, paste_on_stills
        self.twins, self.mounted = twins, mounted

    def compose_from_video(
        self, dataset: YTVOSDataset, videos: Sequence[VideoEntry], size: tuple[int, int], rng: np.random.Generator
    ) -> SceneClip | None:
        """Composes a clip from one of the videos.

        Args:
            dataset: The data set of the videos.
            videos: Those that may be used.
            size: (H, W) of the frames.
            rng: Source of all choices.

        Returns:
            The clip, or None when the drawn window of the video shows no object with an expression.

        Raises:
            UserError: A file cannot be read.
        """
        video = videos[int(rng.integers(len(videos)))]
        clip = draw_video_clip(dataset, video, self.frames, size, rng)
        if clip is None:
            return None
        clip.absent_nouns = self.absent_nouns.draw(self.absent_nouns.pasted, rng)
        clip.priority = [k for k, obj in enumerate(clip.objects) if obj.referable]
        if set(self.cutouts.categories) - COMMON_CATEGORIES and rng.random() < self.paste_on_videos:
            if len(videos) > 1 and rng.random() < 0.2:
                moving = self.moving_cutouts.draw(self.frames, rng, frozenset({video.name}))
                if moving is not None:
                    self._paste(clip, moving, rng, None)
            for _ in range(int(rng.choice([1, 2], p=[0.7, 0.3]))):
                category = self.cutouts.draw_category(rng, COMMON_CATEGORIES)
                self._paste(clip, self.cutouts.draw(category, rng, max(size)), rng, None)
        return clip

    def compose_from_still(self, bank: StillBank, size: tuple[int, int], rng: np.random.Generator) -> SceneClip:
        """Composes a clip from one of the pictures of a bank.

        Args:
            bank: The pictures.
            size: (H, W) of the frames.
            rng: Source of all choices.

        Raises:
            UserError: A file cannot be read.
        """
        still = bank.load(bank.draw(rng))
        still.pixels = recolour_objects(still.pixels, still.labels, still.objects, rng, _RECOLOURED_SHARE)
        if rng.random() < 0.5:
            still.pixels, still.labels = still.pixels[:, ::-1], np.ascontiguousarray(still.labels[:, ::-1])
        (height, width), aspect = still.labels.shape, size[1] / size[0]
        if max(width / height / aspect, height * aspect / width) > 1.5 and rng.random() < 0.45:
            still = widen_still(still, aspect, rng)
        camera = draw_camera(still.labels.shape, size, self.frames, rng, draw_focus(still, rng))
        frames, labels = apply_camera(still.pixels, still.labels, camera)
        absent_nouns = self.absent_nouns.draw((*still.absent_nouns, *self.absent_nouns.pasted), rng)
        clip = SceneClip(frames, labels, still.objects, absent_nouns)
        if not self.cutouts.categories:
            return clip
        if self.frames > 1 and rng.random() < self.twins:
            self._paste_twins(clip, rng, camera)
        elif rng.random() < self.mounted:
            self._paste_rider(clip, rng, camera)
        elif rng.random() < self.paste_on_stills:
            self._paste_several(clip, rng, camera)
        return clip

    def _paste(self, clip: SceneClip, cutout: Cutout, rng: np.random.Generator, camera: Camera | None) -> None:
        """Pastes a cut-out that moves at random."""
        path = draw_path(self.frames, clip.size, cutout.labels.shape[1:], rng)
        paste_cutout(clip, cutout, path, camera, _draw_brightness(rng))

    def _paste_twins(self, clip: SceneClip, rng: np.random.Generator, camera: Camera) -> None:
        """Pastes two cut-outs of one category; most often they cross the picture in opposite directions."""
        category = self.cutouts.draw_category(rng)
        opposite, direction = rng.random() < 0.7, rng.choice([-1, 1])
        for side in (direction, -direction):
            cutout = self.cutouts.draw(category, rng, max(clip.size))
            while True:
                path = draw_path(self.frames, clip.size, cutout.labels.shape[1:], rng, "across" if opposite else None)
                if not opposite or path.motion.dx * side > 0.2:
                    break
            clip.priority.append(len(clip.objects))
            paste_cutout(clip, cutout, path, camera, _draw_brightness(rng))
            clip.objects[clip.priority[-1]].told_by = "motion"

    def _paste_rider(self, clip: SceneClip, rng: np.random.Generator, camera: Camera) -> None:
        """Pastes a person on something that people ride, as two objects.

        Half of the time it pastes the objects of a video that has several, where there is one.
        """
        moving = self.moving_cutouts.draw(self.frames, rng, several=True) if rng.random() < 0.5 else None
        if moving is not None:
            path = draw_path(self.frames, clip.size, moving.labels.shape[1:], rng)
            clip.priority.extend(range(len(clip.objects), len(clip.objects) + len(moving.objects)))
            # Far away too: the smaller two objects that touch are, the harder they are to tell apart.
            path = replace(path, scale=path.scale * rng.uniform(0.4, 1.0))
            paste_cutout(clip, moving, path, camera, _draw_brightness(rng))
            return
        mount = self.cutouts.draw_mount(rng, max(clip.size))
        if mount is None or "person" not in self.cutouts.by_category:
            return
        rider = self.cutouts.draw("person", rng, max(clip.size))
        shapes = mount.labels.shape[1:], rider.labels.shape[1:]
        kind = str(rng.choice(["still", "across", "free", "closer", "away"], p=[0.25, 0.45, 0.1, 0.1, 0.1]))
        path = draw_path(self.frames, clip.size, shapes[0], rng, kind)
        both = [(mount, path), (rider, draw_rider_path(path, *shapes, rng))]
        brightness = _draw_brightness(rng)
        # Either may cover the other.
        for k in rng.permutation(2):
            clip.priority.append(len(clip.objects))
            paste_cutout(clip, both[k][0], both[k][1], camera, brightness)
        if rng.random() < 0.5:
            clip.priority.reverse()

    def _paste_several(self, clip: SceneClip, rng: np.random.Generator, camera: Camera) -> None:
        """Pastes one to three cut-outs, often of one category, and sometimes an object of a video."""
        if self.moving_cutouts.sources and rng.random() < 0.15:
            moving = self.moving_cutouts.draw(self.frames, rng)
            if moving is not None:
                self._paste(clip, moving, rng, camera)
        alike = rng.random() < 0.4
        count = int(rng.choice([2, 3], p=[0.75, 0.25])) if alike else int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
        category = self.cutouts.draw_category(rng)
        for _ in range(count):
            self._paste(clip, self.cutouts.draw(category, rng, max(clip.size)), rng, camera)
            if not alike:
                category = self.cutouts.draw_category(rng)


def _draw_brightness(rng: np.random.Generator) -> float:
    return float(np.exp(rng.normal(0, 0.1)))
