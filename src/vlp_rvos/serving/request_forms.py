"""Read the form of a request: its video, and what is to be found in it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request as HttpRequest
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser
from starlette.requests import ClientDisconnect

from vlp_rvos.errors import UserError
from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.service_options import MAX_EXPRESSIONS, checked_expressions
from vlp_rvos.serving.tasks import Output, checked_output
from vlp_rvos.utils.ranges import ANY_COUNT, Range

__all__ = ["FORM", "Question", "question_of", "received_form", "uploaded_video"]

#: Bytes of an upload that are held in memory; the rest goes to a file without a name, which nothing leaves behind.
SPOOLED = 1 << 20

SECONDS = Range(0, 10**9)

#: The form of a request, for the description of the interface.
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "video": {"type": "string", "format": "binary", "description": "Video file or picture."},
        "video_id": {"type": "string", "description": "In place of `video`: what `POST /v1/videos` answered."},
        "expression": {
            "type": "array",
            "items": {"type": "string"},
            "description": f"What to find; repeat the field for up to {MAX_EXPRESSIONS} things.",
            "example": ["the polar bear", "the rock"],
        },
        "output": {"type": "string", "enum": ["ndjson", "overlay", "zip"], "default": "ndjson"},
        "every": {"type": "integer", "minimum": 1, "default": 1, "description": "Take every Nth frame."},
        "start": {"type": "number", "description": "Leave out the frames before this time, in seconds."},
        "end": {"type": "number", "description": "Leave out the frames from this time on, in seconds."},
    },
    "required": ["expression"],
}


@dataclass(frozen=True)
class Question:
    """What a request asks about a video.

    Attributes:
        expressions: what to find.
        output: what the request wants back.
        every, start, end: the frames to take, see `open_video`.
    """

    expressions: list[str]
    output: Output
    every: int
    start: float | None
    end: float | None


@asynccontextmanager
async def received_form(request: HttpRequest, seconds: float) -> AsyncGenerator[FormData, None]:
    """Read a form, and remove its temporary files in the end.

    Args:
        request: the request.
        seconds: time that the upload may take.

    Raises:
        Refusal: it is no form, is broken off, or takes too long.
    """
    # The engine sets this to "never", since it would send files through a queue.
    MultiPartParser.spool_max_size = SPOOLED
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(415, "send a form of type multipart/form-data, with the fields video and expression")
    try:
        async with asyncio.timeout(seconds):
            form = await request.form(max_files=1, max_fields=MAX_EXPRESSIONS + 8, max_part_size=1 << 16)
    except TimeoutError:
        raise Refusal(408, "the upload took too long") from None
    except ClientDisconnect:
        raise Refusal(400, "the upload was broken off") from None
    except HTTPException as error:
        raise Refusal(400, f"the form cannot be read: {error.detail}") from None
    try:
        yield form
    finally:
        await form.close()


def uploaded_video(form: FormData) -> UploadFile | None:
    """The file in a form, None where there is none.

    Raises:
        UserError: the field is no file, or it is empty.
    """
    video = form.get("video")
    if video is None:
        return None
    if not isinstance(video, UploadFile):
        raise UserError("the field video is not a file: with curl, write -F video=@FILE")
    if not video.size:
        raise UserError("the video is empty")
    return video


def question_of(form: FormData) -> Question:
    """What a form asks.

    Raises:
        UserError: a field is missing, unknown or has a value that cannot be used.
    """
    if unknown := sorted(set(form) - set(FORM["properties"])):
        raise UserError(f"no such field: {unknown[0][:80]!r}; there are {', '.join(FORM['properties'])}")
    values = {name: value for name, value in form.items() if isinstance(value, str)}
    expressions = checked_expressions([text for text in form.getlist("expression") if isinstance(text, str)])
    every = number(values, "every")
    if every is not None and not every.is_integer():
        raise UserError("every must be a whole number")
    start, end = number(values, "start"), number(values, "end")
    for name, value, allowed in (("every", every, ANY_COUNT), ("start", start, SECONDS), ("end", end, SECONDS)):
        if value is not None:
            allowed.check(name, value, UserError)
    output = checked_output(values.get("output", "ndjson"))
    return Question(expressions, output, 1 if every is None else int(every), start, end)


def number(values: dict[str, str], name: str) -> float | None:
    """A field that is a number, None where it is missing or empty.

    Raises:
        UserError: it is something else.
    """
    text = values.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{name} is not a number")
    return value
