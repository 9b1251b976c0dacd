"""One visitor of the page: what was chosen, said, pointed at and found, and the job that runs for it."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from vlp_rvos.errors import UserError
from vlp_rvos.inference.pointing import Point
from vlp_rvos.media.overlay_style import OverlayStyle, parse_colour
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import TIME_TOLERANCE, VideoFrame, VideoSource
from vlp_rvos.results import FrameResult
from vlp_rvos.web.chosen_video import ChosenVideo
from vlp_rvos.web.downloads import Finished, make_download
from vlp_rvos.web.found_masks import FoundMasks
from vlp_rvos.web.frame_pictures import draw, jpeg, shrink
from vlp_rvos.web.job_queue import Job, JobQueue, State
from vlp_rvos.web.limits import Limits, read_expressions
from vlp_rvos.web.things import Things

__all__ = ["Progress", "SegmenterLike", "Visitor"]

#: Seconds for which the end of a visit waits for the job to end; then its files are removed anyway.
PATIENCE = 60.0
#: Longer side of the pictures to compare, in pixels.
COMPARED_SIDE = 1280


class SegmenterLike(Protocol):
    """What the page needs of a `vlp_rvos.Segmenter`."""

    name: str
    version: str

    def segment(
        self, video: VideoSource, expressions: Sequence[str], *, points: Sequence[Point]
    ) -> Generator[FrameResult, None, None]:
        """As `vlp_rvos.Segmenter.segment`."""


@dataclass
class Progress:
    """How far a job is.

    Attributes:
        frames: number of frames so far.
        total: estimated number of frames; None where it is unknown.
        began: when the job began, as `time.monotonic` has it; None before.
        ended: when it ended; None before.
        latest: the last result, with its image.
    """

    frames: int = 0
    total: int | None = None
    began: float | None = None
    ended: float | None = None
    latest: FrameResult | None = None

    @property
    def seconds(self) -> float:
        """Seconds that the job has run for."""
        return 0.0 if self.began is None else (self.ended or time.monotonic()) - self.began

    @property
    def frames_per_second(self) -> float:
        """Frames per second so far."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0


class Visitor:
    """The state of one visitor. Methods are called by the threads of the server, one at a time or not.

    Args:
        folder: an empty folder for the files of this visitor; it is removed by `close`.
        segmenter: what finds the masks.
        queue: the queue of the page.
        limits: limits of the page.

    Attributes:
        video: the chosen video, or None.
        things: what is pointed at.
        style: how masks are drawn.
        shown: time in seconds of the frame that is shown.
        job: the job that runs or ran last, or None.
        progress: how far that job is.
        finished: what that job has found so far, or None.
        view: which view of the frame is open: "frame", "compare" or "play".
        message: what was wrong with the last thing that the visitor did; empty if nothing was.
    """

    def __init__(self, folder: Path, segmenter: SegmenterLike, queue: JobQueue, limits: Limits) -> None:
        self.folder, self._segmenter, self._queue, self.limits = folder, segmenter, queue, limits
        self.things = Things()
        self.style = OverlayStyle()
        self.video: ChosenVideo | None = None
        self.shown = 0.0
        self.job: Job | None = None
        self.progress = Progress()
        self.finished: Finished | None = None
        self.view = "frame"
        self.message = ""
        self._made: dict[str, Path] = {}
        self._preview: FrameResult | None = None
        self._preview_job: Job | None = None
        self._closed = False
        self._numbers = 0
        self._lock = threading.RLock()

    # --- the video ---------------------------------------------------------------------------------------------------
    def choose_video(self, path: Path) -> ChosenVideo:
        """Take another video, and forget everything about the one before.

        Args:
            path: the file. One that lies in the visitor's folder is removed when it is not needed any more.

        Raises:
            UserError: it is no video that this page takes; then no video is chosen.
        """
        with self._lock:
            if self._closed:
                raise UserError("this visit has ended: load the page again")
            self.forget_video()
            try:
                video = ChosenVideo(path, self.limits)
                self.shown = video.frame_at(0.0).time
            except UserError:
                self._remove(path)
                raise
            self.video = video
            return video

    def without_paths(self, text: str) -> str:
        """A message without the names of the visitor's folders, which nobody shall know."""
        return re.sub(rf"{re.escape(str(self.folder))}/(\d+/)?", "", text)

    def take_upload(self, path: Path) -> Path:
        """Move an uploaded file into the visitor's folder.

        Raises:
            UserError: it is not there any more, or cannot be moved.
        """
        target = self.new_path(path.name)
        try:
            try:
                os.replace(path, target)
            except OSError:
                # The folder of uploads may lie on another disk.
                shutil.move(path, target)
        except OSError as error:
            raise UserError(f"the file {path.name} did not arrive: drop it again") from error
        return target

    def forget_video(self) -> None:
        """Stop the job and forget the video, the points and the masks."""
        with self._lock:
            self.stop()
            self._forget_masks()
            earlier, self.video, self.shown = self.video, None, 0.0
            self.things.clear()
            if earlier is not None:
                self._remove(earlier.path)

    def _remove(self, path: Path) -> None:
        if self.folder in path.parents:
            with suppress(OSError):
                path.unlink()

    def new_path(self, name: str) -> Path:
        """A path of this name in a new folder of its own within the visitor's folder."""
        return self._new_folder() / name

    def _new_folder(self) -> Path:
        with self._lock:
            self._numbers += 1
            folder = self.folder / str(self._numbers)
            folder.mkdir(parents=True)
            return folder

    # --- the frame that is shown -------------------------------------------------------------------------------------
    def show(self, time: float) -> None:
        """Show the frame at a time in seconds."""
        if self.video is not None:
            self.shown = self.video.frame_at(min(max(0.0, time), self.video.seconds)).time

    def step(self, direction: int) -> None:
        """Show the next frame (1) or the one before (-1)."""
        # One step after the other, however fast they are asked for.
        with self._lock:
            if self.video is not None:
                frame = self.video.frame_after(self.shown) if direction > 0 else self.video.frame_before(self.shown)
                self.shown = frame.time

    def frame(self) -> FrameResult | None:
        """The frame that is shown, with the masks that are known of it; None without a video."""
        video, preview, finished = self.video, self._preview, self.finished
        if video is None:
            return None
        if self.is_busy and self.progress.latest is not None and self.finished is not None:
            return self.progress.latest
        frame = video.frame_at(self.shown)
        if preview is not None and abs(preview.time - frame.time) < TIME_TOLERANCE:
            return preview
        if finished is not None:
            with suppress(UserError, OSError):
                number = finished.found.number_at(frame.time)
                if number is not None:
                    return finished.found.result(number, frame.image)
        return _without_masks(frame)

    # --- pointing ----------------------------------------------------------------------------------------------------
    def point(self, x: float, y: float, include: bool) -> Point:
        """Point at something in the frame that is shown.

        Args:
            x: place from the left edge (0) to the right edge (1) of the frame.
            y: place from the upper edge (0) to the lower edge (1).
            include: False to take away.

        Raises:
            UserError: there is no video, a job runs, or the point is not in the frame.
        """
        if self.video is None:
            raise UserError("choose a video first")
        if self.is_busy:
            raise UserError("wait until the job has ended, or stop it; then point")
        if not (0 <= x < 1 and 0 <= y < 1):
            raise UserError("the point is not in the frame")
        self._preview = None
        width, height = self.video.info.width, self.video.info.height
        return self.things.add(round(x * width, 2), round(y * height, 2), self.shown, include)

    def points_changed(self) -> None:
        """Forget the preview of a click."""
        self._preview = None

    def start_preview(self) -> Job | None:
        """Start a small job that finds what is pointed at in the frame that is shown; None if nothing is."""
        with self._lock:
            video, shown = self.video, self.shown
            points = [point for point in self.things.points if abs(point.time - shown) < TIME_TOLERANCE]
            with_thing = {point.name for point in points if point.include}
            points = [point for point in points if point.name in with_thing]
            if video is None or not points or self.is_busy:
                return None
            if self._preview_job is not None:
                self._queue.stop(self._preview_job)
            job = self._preview_job = Job(lambda job: self._find_preview(job, video, shown, points))
            self._queue.add(job)
            return job

    def _find_preview(self, job: Job, video: ChosenVideo, shown: float, points: list[Point]) -> None:
        source = open_video(video.path, start=shown, end=shown + 2.5 / video.info.fps)
        with closing(self._segmenter.segment(source, [], points=points)) as results:
            result = next(results)
        if not job.stopping.is_set() and self.video is video:
            self._preview = result

    # --- the job -----------------------------------------------------------------------------------------------------
    @property
    def is_busy(self) -> bool:
        """Whether a job of this visitor waits or runs."""
        return self.job is not None and not self.job.ended.is_set()

    @property
    def is_looking(self) -> bool:
        """Whether a small job waits or runs that finds what is pointed at in one frame."""
        return self._preview_job is not None and not self._preview_job.ended.is_set()

    @property
    def before(self) -> int:
        """Number of jobs that end before the visitor's job can begin, of whichever kind it is."""
        job = self._preview_job if self.is_looking else self.job
        return 0 if job is None else self._queue.before(job)

    def start(self, words: str, start: float | None = None, end: float | None = None, every: int = 1) -> Job:
        """Put a job into the queue: find what was said and pointed at.

        Args:
            words: expressions, one in each line; may be empty if something is pointed at.
            start: time in seconds of the first frame; None for the beginning.
            end: time in seconds before which the last frame is taken; None for the end, or for as much as is allowed.
            every: N to take every Nth frame only.

        Raises:
            UserError: there is nothing to do, a limit is passed, or the queue is full.
        """
        with self._lock:
            if self._closed:
                raise UserError("this visit has ended: load the page again")
            if self.is_busy:
                raise UserError("a job of yours runs already: stop it first")
            video = self.video
            if video is None:
                raise UserError("choose a video first")
            expressions = read_expressions(words)
            first = max(0.0, start or 0.0)
            last = min(video.seconds, first + self.limits.max_seconds if end is None else end)
            self.limits.check_part(first, last)
            # The stated length may be rounded down, which must not cost the last frame.
            last = last + 1.0 if last >= video.seconds - TIME_TOLERANCE else last
            points = list(self.things.points)
            if any(not first - TIME_TOLERANCE <= point.time < last for point in points):
                raise UserError("a point lies outside of the part of the video: undo it, or choose another part")
            names = self.things.names
            if not expressions and not points:
                raise UserError("say what to find, for example 'the red car', or click on it")
            if clash := set(expressions) & set(names):
                raise UserError(f"{clash.pop()!r} is the name of something that you point at: say it in other words")
            source = open_video(video.path, every=every, start=first, end=last)
            self._forget_masks()
            model = self._segmenter.name, self._segmenter.version
            size = (video.info.height, video.info.width)
            found = FoundMasks(self.new_path("found.jsonl"), [*expressions, *names], size)
            finished = Finished(video.path, found, every, first, last, model, len(names))
            progress = Progress(total=source.info.frames)
            job = Job(lambda job: self._find(job, source, expressions, points, finished, progress))
            try:
                self._queue.add(job)
            except UserError:
                found.close()
                raise
            self.job, self.finished, self.progress = job, finished, progress
            return job

    def _find(
        self,
        job: Job,
        source: VideoSource,
        expressions: list[str],
        points: list[Point],
        finished: Finished,
        progress: Progress,
    ) -> None:
        progress.began = time.monotonic()
        try:
            with closing(self._segmenter.segment(source, expressions, points=points)) as results:
                for result in results:
                    if job.stopping.is_set():
                        finished.truncated = f"stopped after {progress.frames} frames"
                        return
                    finished.found.add(result)
                    progress.frames, progress.latest = progress.frames + 1, result
            finished.truncated = source.problem
        finally:
            progress.ended, progress.latest = time.monotonic(), None
            if len(finished.found) and finished.found.number_at(self.shown) is None:
                self.shown = finished.found.times[0]

    def stop(self) -> None:
        """Stop the job; what it has found so far stays."""
        if self.job is not None:
            self._queue.stop(self.job)

    # --- the style and the files -------------------------------------------------------------------------------------
    def set_colour(self, number: int, text: str) -> None:
        """Draw a thing in another colour, in later jobs too.

        Args:
            number: number of the thing in the timeline, from 0.
            text: the colour, as `parse_colour` reads it.

        Raises:
            UserError: there is no such thing, or the text is no colour.
        """
        names = () if self.finished is None else self.finished.found.names
        if not 0 <= number < len(names):
            raise UserError("there is no such thing")
        named = {**self.style.named_colours, names[number]: parse_colour(text)}
        self.style = replace(self.style, named_colours=named)

    def make(self, label: str) -> Path:
        """Make a file for download; the earlier one of the kind is removed.

        Args:
            label: one of `vlp_rvos.web.downloads.DOWNLOADS`.

        Raises:
            UserError: there are no masks, the job still runs, or the file cannot be written.
        """
        finished = self.finished
        if finished is None:
            raise UserError("there are no masks yet: find something first")
        if self.is_busy:
            raise UserError("wait until the job has ended, or stop it")
        path = make_download(label, self._new_folder(), finished, self.style)
        self._keep_only(label, path)
        return path

    def compared(self) -> tuple[Path, Path] | None:
        """The frame that is shown, without and with masks, as JPEG files; None without a video."""
        result = self.frame()
        if result is None:
            return None
        small = shrink(result, COMPARED_SIDE)
        files = self.new_path("before.jpg"), self.new_path("after.jpg")
        for label, path, image in zip(("before", "after"), files, (small.image, draw(small, self.style)), strict=True):
            path.write_bytes(jpeg(image))
            self._keep_only(label, path)
        return files

    def _keep_only(self, label: str, path: Path) -> None:
        earlier = self._made.get(label)
        self._made[label] = path
        if earlier is not None:
            shutil.rmtree(earlier.parent, ignore_errors=True)

    def _forget_masks(self) -> None:
        self._preview = None
        if self._preview_job is not None:
            self._queue.stop(self._preview_job)
        earlier, self.finished = self.finished, None
        if self.job is not None:
            self._queue.stop(self.job)
            if earlier is not None and self.job.state is State.RUNNING:
                self.job.ended.wait(PATIENCE)
        if earlier is not None:
            earlier.found.close()
        self.job, self.progress = None, Progress()

    def close(self) -> None:
        """Stop the job, and remove all files of the visitor."""
        with self._lock:
            self._closed = True
            self.forget_video()
            shutil.rmtree(self.folder, ignore_errors=True)


def _without_masks(frame: VideoFrame) -> FrameResult:
    height, width = frame.image.shape[:2]
    none = np.zeros(0, np.float32)
    masks = np.zeros((0, height, width), bool)
    return FrameResult(frame.index, frame.time, frame.image, masks, none, none, (), frame.name)
