"""What the web process hands to a worker, and what the worker says back: records of plain data.

Files carry the content: a request has a folder of its own, in which the worker writes its results. The web process
removes the folder when nobody waits for the results any more, and that tells the worker to stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlp_rvos.errors import UserError

__all__ = ["RESULTS", "LiveTask", "Notice", "Output", "Request", "Task", "VideoTask", "checked_output"]

#: What a request wants back: masks as lines while they are made, or a file at the end.
Output = Literal["ndjson", "overlay", "zip"]
OUTPUTS: tuple[Output, ...] = ("ndjson", "overlay", "zip")

#: File of a request's folder to which the worker appends lines.
RESULTS = "results.ndjson"


@dataclass(frozen=True)
class Request:
    """One request of a task.

    Attributes:
        id: name of the request, which every answer bears.
        folder: the request's own folder; without it, nobody waits for the answer any more.
        expressions: what to find.
        output: what the request wants back.
        deadline: `time.monotonic` at which the answer must be complete.
    """

    id: str
    folder: str
    expressions: tuple[str, ...]
    output: Output
    deadline: float


@dataclass(frozen=True)
class VideoTask:
    """Requests for the same frames of the same video, which a worker decodes and embeds once.

    Attributes:
        requests: the requests, which get answers of their own.
        path: the video.
        name: name that the user gave to the video.
        every, start, end: the frames to take, see `open_video`.
    """

    requests: tuple[Request, ...]
    path: str
    name: str
    every: int = 1
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class LiveTask:
    """Frames that come one after the other, as files in the request's folder.

    Attributes:
        requests: the one request.
        fps: frames per second, which gives the results their times.
        clip: frames that are segmented together.
    """

    requests: tuple[Request, ...]
    fps: float
    clip: int


Task = VideoTask | LiveTask


@dataclass(frozen=True)
class Notice:
    """What a worker says about one request.

    Attributes:
        request: name of the request.
        kind: "started"; "written": there are more lines; "finished": the answer is complete; or "failed".
        worker: number of the worker's process.
        size: bytes of the lines that are complete.
        frames: frames whose masks are made.
        lines: lines of a live source, one for each frame.
        file: name of the file of the answer in the request's folder, for outputs that are one.
        status: HTTP status of a failure.
        message: what went wrong, in one line.
    """

    request: str
    kind: Literal["started", "written", "finished", "failed"]
    worker: int = 0
    size: int = 0
    frames: int = 0
    lines: tuple[str, ...] = ()
    file: str = ""
    status: int = 0
    message: str = ""


def checked_output(text: str) -> Output:
    """The output that a request names.

    Raises:
        UserError: there is no such output.
    """
    for output in OUTPUTS:
        if text == output:
            return output
    raise UserError(f"output must be one of {', '.join(OUTPUTS)}")
