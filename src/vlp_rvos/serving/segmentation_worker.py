"""The work of a worker process: it turns tasks into masks, and says how far each request has come."""

from __future__ import annotations

import errno
import itertools
import os
import time
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

import av

from vlp_rvos.errors import UserError
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.inference.shared_reading import segment_together
from vlp_rvos.media.picture_file import is_picture
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_source import PIXELS_OF_8K, VideoSource
from vlp_rvos.serving.answers import Answer, FileAnswer, LineAnswer, result_line
from vlp_rvos.serving.live_frames import read_frames
from vlp_rvos.serving.tasks import LiveTask, Notice, Request, Task, VideoTask
from vlp_rvos.utils.late_call import called_if_late
from vlp_rvos.utils.plain_text import one_line

__all__ = ["PATIENCE", "SegmentationWorker", "TooLarge"]

#: Seconds after its deadline at which a task that does not come back ends the process, which is then started anew.
PATIENCE = 10.0
#: Formats that name other files, which FFmpeg would open.
PLAYLISTS = {"hls", "applehttp", "dash", "concat", "concatf", "sdp", "rtsp", "rtp", "imf", "image2", "image2pipe"}


class TooLarge(UserError):
    """The input is larger than the service takes."""


class SegmentationWorker:
    """Works on one task after the other.

    Args:
        segmenter: the model.
        max_seconds: longest part of a video that a request may ask for.
    """

    def __init__(self, segmenter: Segmenter, max_seconds: float) -> None:
        self.segmenter, self.max_seconds = segmenter, max_seconds

    def run(self, task: Task) -> Iterator[Notice]:
        """Work on a task. Each request gets a notice that it has started, and one last: "finished" or "failed"."""
        waiting = {request.id: request for request in task.requests}
        yield from (Notice(name, "started", worker=os.getpid()) for name in waiting)
        try:
            with _watchdog(max(request.deadline for request in task.requests)), warnings.catch_warnings():
                # What is to be known of a video stands in the answer.
                warnings.simplefilter("ignore")
                notices = self._live(task) if isinstance(task, LiveTask) else self._video(task)
                for notice in notices:
                    if notice.kind in ("finished", "failed"):
                        waiting.pop(notice.request, None)
                    yield notice
        except Exception as error:
            yield from _failures(waiting, error, task)

    def _video(self, task: VideoTask) -> Iterator[Notice]:
        path = Path(task.path)
        _refuse_playlists(path)
        source = open_video(path, every=task.every, start=task.start, end=task.end)
        self._check_size(source)
        model = (self.segmenter.name, self.segmenter.version)
        whole = any(request.output != "ndjson" for request in task.requests) and not source.has_yuv_frames
        active: dict[int, Answer] = {}
        try:
            for i, request in enumerate(task.requests):
                if not os.path.isdir(request.folder):
                    continue
                if request.output == "ndjson":
                    active[i] = LineAnswer(request, source.info, task.name, model)
                else:
                    active[i] = FileAnswer(request, source, task.name, model)
            expressions = [request.expressions for request in task.requests]
            clips = segment_together(self.segmenter, source, expressions, images=whole, is_wanted=lambda i: i in active)
            with closing(clips):
                for i, results in clips:
                    answer = active[i]
                    for result in results:
                        if result.time - (source.start or 0) > self.max_seconds:
                            raise TooLarge(self._too_long())
                        answer.write(result)
                    notice = _ending(answer.request) or answer.progress()
                    if notice.kind == "failed":
                        active.pop(i).discard()
                    yield notice
            while active:
                _, answer = active.popitem()
                yield answer.finish(source.problem)
        finally:
            for answer in active.values():
                answer.discard()

    def _live(self, task: LiveTask) -> Iterator[Notice]:
        (request,) = task.requests
        stream = self.segmenter.start(request.expressions, task.fps)
        frames, count = read_frames(Path(request.folder), request.deadline), 0
        for images in iter(lambda: list(itertools.islice(frames, task.clip)), []):
            lines = tuple(result_line(result) for result in stream.step(images))
            count += len(lines)
            yield Notice(request.id, "written", frames=count, lines=lines)
        yield Notice(request.id, "finished", frames=count)

    def _check_size(self, source: VideoSource) -> None:
        info = source.info
        if info.width * info.height > PIXELS_OF_8K:
            raise TooLarge(f"frames have more than {PIXELS_OF_8K} pixels")
        if info.duration is not None:
            end = info.duration if source.end is None else min(source.end, info.duration)
            if end - (source.start or 0) > self.max_seconds:
                raise TooLarge(self._too_long())

    def _too_long(self) -> str:
        return f"more than {self.max_seconds:g} s of video: give start and end, in seconds"


def _ending(request: Request) -> Notice | None:
    """Why a request is not worked on any more; None where it is."""
    if not os.path.isdir(request.folder):
        return Notice(request.id, "failed", status=499, message="nobody waits for the answer any more")
    if time.monotonic() > request.deadline:
        return Notice(request.id, "failed", status=504, message="out of time: ask for less of the video at once")
    return None


def _failures(waiting: Mapping[str, Request], error: Exception, task: Task) -> Iterator[Notice]:
    """The last notices of requests that an error has ended."""
    message = str(error)
    if isinstance(error, TooLarge):
        status = 413
    elif isinstance(error, UserError):
        status = 400
    elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        status, message = 507, "the disk of the service is full"
    else:
        traceback.print_exception(error)
        status, message = 500, f"internal error: {type(error).__name__}: {error}"
    for request in waiting.values():
        # Paths of the service are nobody's business.
        if isinstance(task, VideoTask):
            message = message.replace(task.path, task.name).replace(Path(task.path).name, task.name)
        message = message.replace(request.folder, "")
        yield _ending(request) or Notice(request.id, "failed", status=status, message=one_line(message))


def _refuse_playlists(path: Path) -> None:
    """Refuse files that make FFmpeg open other files, such as those of this machine.

    Raises:
        UserError: it is such a file, or no video at all.
    """
    # FFmpeg finds out the format by the content, so a look at the first bytes would not be enough.
    if is_picture(path):
        return
    allowed = ",".join(sorted(av.formats_available - PLAYLISTS))
    try:
        av.open(
            str(path.absolute()), container_options={"format_whitelist": allowed}, metadata_errors="replace"
        ).close()
    except (av.FFmpegError, UnicodeError) as error:
        raise UserError(f"{path.name} cannot be read as a video; is it one, and is it complete?") from error


def _watchdog(deadline: float) -> AbstractContextManager[None]:
    """End this process if the block hangs; the engine starts another one."""
    return called_if_late(max(0.0, deadline - time.monotonic()) + PATIENCE, os._exit, 70)
