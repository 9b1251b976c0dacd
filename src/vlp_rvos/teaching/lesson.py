"""Labelled frames as a lesson: which can be used, what is wrong with the others, and which are held out.

Shapes: (H, W) pixels of the frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Image
from vlp_rvos.errors import UserError
from vlp_rvos.formats.labelled_frames import LabelledFrame, LabelledFrames
from vlp_rvos.teaching.lesson_phrases import plain_name
from vlp_rvos.utils.plain_text import is_blank
from vlp_rvos.utils.progress import counting

__all__ = ["MAX_FRAMES", "Lesson", "LessonFrame", "LessonSummary", "check_lesson", "held_out_keys"]

Item = TypeVar("Item")
#: Frames that are taken at most, evenly spread over all labelled ones.
MAX_FRAMES = 120
#: Frames that are held out at most, and their share of all frames or videos.
MAX_HELD_OUT, HELD_OUT_SHARE = 16, 0.25
#: With so many videos, whole videos are held out.
SEVERAL_VIDEOS = 3


@dataclass(frozen=True)
class LessonFrame:
    """A labelled frame that can be used.

    Attributes:
        key: Number of the frame among all labelled ones.
        video: Name of its video; empty for a single picture.
        name: Name of the frame.
        image: (H, W, 3) uint8 RGB.
        names: For each thing, its names without article.
        masks: For each thing, (H, W) bool, not empty.
    """

    key: int
    video: str
    name: str
    image: Image = field(repr=False)
    names: tuple[tuple[str, ...], ...]
    masks: tuple[npt.NDArray[np.bool_], ...] = field(repr=False)


@dataclass
class LessonSummary:
    """What was found in labelled data.

    Attributes:
        layout: Name of its layout.
        frames: Frame number -> name of its video, for the frames that can be used and show something.
        labelled: Number of labelled frames.
        left_out: Number of those that were left out because there are more than `MAX_FRAMES`.
        things: Name -> number of outlined things that bear it.
        problems: One line for each file, frame or thing that cannot be used.
    """

    layout: str
    frames: dict[int, str] = field(default_factory=dict)
    labelled: int = 0
    left_out: int = 0
    things: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    @property
    def videos(self) -> list[str]:
        """Names of the videos, each once."""
        return list(dict.fromkeys(video for video in self.frames.values() if video))

    def lines(self) -> list[str]:
        """The summary as lines for the user."""
        things = ", ".join(f'"{name}" {count} times' for name, count in self.things.most_common(12))
        more = f" and {len(self.things) - 12} more names" if len(self.things) > 12 else ""
        videos = f" of {len(self.videos)} videos" if self.videos else ""
        lines = [f"{self.layout}: {len(self.frames)} usable frames{videos}, things: {things or 'none'}{more}"]
        if self.left_out:
            lines.append(f"{self.left_out} of {self.labelled} labelled frames are left out: {MAX_FRAMES} are enough")
        lines += [f"not usable: {problem}" for problem in self.problems[:10]]
        if len(self.problems) > 10:
            lines.append(f"not usable: {len(self.problems) - 10} more, see report.json")
        return lines


@dataclass(frozen=True)
class Lesson:
    """Labelled frames, read one by one.

    Attributes:
        labelled: The frames.
        called: What all things are called, in place of their labels; None for their labels.
    """

    labelled: LabelledFrames
    called: str | None = None

    def __post_init__(self) -> None:
        if self.called is not None and is_blank(plain_name(self.called)):
            raise UserError("the name is empty: say what the things are called, such as --name 'the widget'")

    def frames(self, problems: list[str]) -> Iterator[LessonFrame]:
        """The usable frames.

        Args:
            problems: Gets one line for everything that cannot be used.
        """
        taken = self._taken()
        for key, frame in enumerate(self.labelled):
            if key in taken and (found := self._read(key, frame, problems)) is not None:
                yield found

    def count(self) -> int:
        """Number of labelled frames."""
        return sum(1 for _ in self.labelled)

    def _taken(self) -> set[int]:
        total = self.count()
        return {k * total // min(total, MAX_FRAMES) for k in range(min(total, MAX_FRAMES))}

    def _read(self, key: int, frame: LabelledFrame, problems: list[str]) -> LessonFrame | None:
        where = f"{frame.video}/{frame.name}" if frame.video else frame.name
        if frame.image is None:
            advice = "; give its video with --video" if self.labelled.layout == "segment" else ""
            problems.append(f"{where}: its picture is not there{advice}")
            return None
        try:
            # One frame at a time: a broken one does not end the others.
            alone = replace(self.labelled, read=lambda: iter([frame]))
            ((_, image),) = alone.with_images()
        except UserError as error:
            problems.append(f"{where}: {error}")
            return None
        names, masks = [], []
        for thing in frame.things:
            texts = (self.called,) if self.called is not None else thing.texts
            own = tuple(dict.fromkeys(name for text in texts if not is_blank(name := plain_name(text))))
            try:
                mask = thing.mask()
            except UserError as error:
                problems.append(f"{where}, thing {thing.track}: {error}")
                continue
            if mask.shape != image.shape[:2]:
                size = f"{mask.shape[1]}x{mask.shape[0]}"
                problems.append(
                    f"{where}, thing {thing.track}: its mask is {size}, the picture {image.shape[1]}x{image.shape[0]}"
                )
            elif not own:
                problems.append(f"{where}, thing {thing.track}: it has no name; give one with --name")
            elif mask.any():
                names.append(own)
                masks.append(mask)
        return LessonFrame(key, frame.video, frame.name, image, tuple(names), tuple(masks))


def check_lesson(lesson: Lesson) -> LessonSummary:
    """Read all frames once, and say what can be used.

    Raises:
        UserError: There are not two frames with a named thing, one to learn from and one to hold out.
    """
    summary = LessonSummary(lesson.labelled.layout, labelled=lesson.count())
    summary.left_out = max(summary.labelled - MAX_FRAMES, 0)
    with counting("checking the labels", "frames", min(summary.labelled, MAX_FRAMES)) as count:
        for done, frame in enumerate(lesson.frames(summary.problems), 1):
            count(done)
            if frame.names:
                summary.frames[frame.key] = frame.video
            summary.things.update(name for names in frame.names for name in names)
    if len(summary.frames) < 2:
        reason = f": {summary.problems[0]}" if summary.problems else ""
        raise UserError(
            f"{lesson.labelled.path} has {len(summary.frames)} usable frames with a named thing, and two are needed, "
            f"one to learn from and one to check{reason}"
        )
    return summary


def held_out_keys(frames: dict[int, str]) -> set[int]:
    """Which frames are held out: a quarter of the videos where there are several, else a quarter of the frames.

    Args:
        frames: Number of each frame -> name of its video.
    """
    videos = list(dict.fromkeys(frames.values()))
    if "" not in videos and len(videos) >= SEVERAL_VIDEOS:
        chosen = set(_evenly(videos, max(1, round(HELD_OUT_SHARE * len(videos)))))
        return {key for key, video in frames.items() if video in chosen}
    return set(_evenly(list(frames), min(MAX_HELD_OUT, max(1, round(HELD_OUT_SHARE * len(frames))))))


def _evenly(things: Sequence[Item], count: int) -> list[Item]:
    """`count` things from the middles of equal parts."""
    return [things[(2 * k + 1) * len(things) // (2 * count)] for k in range(count)]
