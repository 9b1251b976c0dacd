"""The paths of the service for whole videos, and for those who watch over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.request_forms import FORM, question_of, received_form, uploaded_video
from vlp_rvos.serving.segmentation_service import SegmentationService
from vlp_rvos.serving.tasks import RESULTS, Notice
from vlp_rvos.serving.video_store import StoredVideo
from vlp_rvos.serving.waiting_room import Ticket
from vlp_rvos.utils.json_text import json_text

__all__ = ["video_routes"]

BLOCK = 1 << 16
#: Seconds between two looks at whether a client still waits.
INTERVAL = 1.0
MEDIA_TYPES = {".mp4": "video/mp4", ".zip": "application/zip"}

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {"application/json": {"example": {"error": "what is wrong", "request_id": "5f1c..."}}},
    }
    for status, text in {
        400: "The input cannot be used.",
        401: "The token is missing or wrong.",
        404: "No such video; it may have expired.",
        413: "The upload or the video is too large.",
        429: "Too many requests; ask again after the seconds in Retry-After.",
        503: "The service stops, or no worker was free in time; ask again after Retry-After.",
    }.items()
}
LINES = "\n".join(
    json_text(line)
    for line in (
        {
            "request_id": "5f1c...",
            "model": {"name": "mini", "version": "0.3.0"},
            "video": {"name": "polar-bear.mp4", "width": 640, "height": 360, "fps": 12.0},
            "expressions": ["the polar bear"],
        },
        {
            "index": 0,
            "time": 0.0,
            "name": "00000",
            "objects": [
                {
                    "id": 1,
                    "expression": "the polar bear",
                    "score": 0.91,
                    "presence": 0.97,
                    "segmentation": {"size": [360, 640], "counts": "ZZ1..."},
                }
            ],
        },
        {"done": True, "frames": 1, "truncated": None},
    )
)
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Lines of JSON while the masks are made: about the video, one for each frame, a last one with "
        "`done` or `error`. With output=overlay an mp4, with output=zip a zip file.",
        "content": {"application/x-ndjson": {"example": LINES}, "video/mp4": {}, "application/zip": {}},
    }
}


def video_routes(service: SegmentationService) -> APIRouter:
    """The paths for whole videos, and `/health` and `/metrics`."""
    router = APIRouter()

    @router.get("/health", summary="Whether the service lives", tags=["operation"])
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @router.get("/metrics", summary="Metrics for Prometheus", tags=["operation"])
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    @router.post(
        "/v1/segment",
        summary="Find what expressions describe in a video",
        tags=["videos"],
        responses={**ANSWER, **ERRORS},
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}},
    )
    async def segment(request: HttpRequest) -> Response:
        ticket = service.room.enter(request.scope["request_id"], "unknown")
        held: list[StoredVideo] = []

        def end() -> None:
            service.room.leave(ticket)
            while held:
                service.store.release(held.pop())

        try:
            async with received_form(request, service.options.timeout) as form:
                question, upload = question_of(form), uploaded_video(form)
                ticket.output = question.output
                video_id = form.get("video_id")
                if (upload is None) == (not isinstance(video_id, str)):
                    raise Refusal(400, "give either the field video, a file, or the field video_id")
                if upload is not None:
                    name = upload.filename or "video"
                    held.append(await service.store.receive(upload))
                else:
                    kept = service.store.find(str(video_id))
                    name = kept.name
                    held.append(service.store.hold(kept.video))
            service.submit_video(ticket, held[0], name, question)
            first = await _first_notice(service, ticket, request)
            if question.output == "ndjson":
                return _Answer(end, _lines(service, ticket, first), media_type="application/x-ndjson")
            file = ticket.folder / first.file
            headers = {
                "Content-Length": str(file.stat().st_size),
                "Content-Disposition": f'attachment; filename="{first.file}"',
            }
            return _Answer(end, _blocks(file), media_type=MEDIA_TYPES[file.suffix], headers=headers)
        except BaseException:
            end()
            raise

    @router.post(
        "/v1/videos",
        status_code=201,
        summary="Upload a video, to ask about it several times",
        tags=["videos"],
        responses={
            201: {"content": {"application/json": {"example": {"video_id": "Gq3m...", "expires_in": 600}}}},
            **ERRORS,
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "multipart/form-data": {
                        "schema": {"type": "object", "properties": {"video": FORM["properties"]["video"]}}
                    }
                },
            }
        },
    )
    async def upload(request: HttpRequest) -> JSONResponse:
        ticket = service.room.enter(request.scope["request_id"], "upload")
        try:
            async with received_form(request, service.options.timeout) as form:
                file = uploaded_video(form)
                if file is None:
                    raise Refusal(400, "the field video, a file, is missing")
                video = await service.store.receive(file)
                try:
                    video_id = service.store.keep(video, file.filename or "video")
                finally:
                    service.store.release(video)
        finally:
            service.room.leave(ticket)
        return JSONResponse({"video_id": video_id, "expires_in": service.options.keep_seconds}, 201)

    @router.delete(
        "/v1/videos/{video_id}", status_code=204, summary="Forget an uploaded video", tags=["videos"], responses=ERRORS
    )
    async def forget(video_id: str) -> Response:
        service.store.forget(video_id)
        return Response(status_code=204)

    return router


async def _first_notice(service: SegmentationService, ticket: Ticket, request: HttpRequest) -> Notice:
    """Wait until the status of the answer is known: for the first lines, or for the complete file."""
    while True:
        waiting = asyncio.ensure_future(service.room.next_notice(ticket))
        try:
            while not (await asyncio.wait({waiting}, timeout=INTERVAL))[0]:
                if await request.is_disconnected():
                    raise Refusal(499, "nobody waits for the answer any more")
        finally:
            waiting.cancel()
        notice = waiting.result()
        if ticket.output == "ndjson" or notice.kind == "finished":
            return notice


class _Answer(StreamingResponse):
    """An answer that is sent bit by bit, and something to do when it has ended, however it does.

    A generator cannot do that itself: where the client leaves before the first bit, it is never started.
    """

    def __init__(self, end: Callable[[], None], content: AsyncGenerator[bytes, None], **options: Any) -> None:
        super().__init__(content, **options)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


async def _lines(service: SegmentationService, ticket: Ticket, notice: Notice) -> AsyncGenerator[bytes, None]:
    """The lines of an answer as they come; a failure becomes the last one."""
    try:
        with (ticket.folder / RESULTS).open("rb") as file:
            while True:
                while file.tell() < notice.size:
                    yield file.read(min(BLOCK, notice.size - file.tell()))
                if notice.kind == "finished":
                    return
                notice = await service.room.next_notice(ticket)
    except Refusal as refusal:
        service.metrics.failures.labels(str(refusal.status)).inc()
        yield (json_text({"error": refusal.message, "request_id": ticket.id}) + "\n").encode()


async def _blocks(path: Path) -> AsyncGenerator[bytes, None]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
