"""The path of the service for live sources: frames come over a WebSocket, and masks go back."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from vlp_rvos.errors import UserError
from vlp_rvos.media.video_source import FRAME_RATES
from vlp_rvos.serving.live_frames import MAX_FRAME_BYTES, end_frames, put_frame
from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.request_forms import number
from vlp_rvos.serving.segmentation_service import SegmentationService
from vlp_rvos.serving.service_options import checked_expressions
from vlp_rvos.serving.waiting_room import Ticket
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.ranges import Range

__all__ = ["live_routes"]

#: Close codes of WebSockets.
NORMAL, BAD_DATA, INTERNAL, TRY_LATER = 1000, 1007, 1011, 1013
#: Frames that may be segmented together.
CLIP = Range(1, 64)
#: Seconds without a frame after which a live source is taken for ended.
IDLE = 30.0
END = "end"


def live_routes(service: SegmentationService) -> APIRouter:
    """The path `/v1/stream`."""
    router = APIRouter()

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept(headers=[(b"x-request-id", socket.scope["request_id"].encode())])
        ticket = None
        try:
            expressions = checked_expressions(socket.query_params.getlist("expression"))
            values = dict(socket.query_params)
            fps, clip = number(values, "fps") or 24.0, number(values, "clip") or 1.0
            FRAME_RATES.check("fps", fps, UserError)
            CLIP.check("clip", clip, UserError)
            ticket = service.room.enter(socket.scope["request_id"], "live", service.options.live_seconds)
            service.submit_live(ticket, expressions, fps, int(clip))
            await _exchange(service, socket, ticket)
            await socket.close(NORMAL)
        except WebSocketDisconnect:
            pass
        except (Refusal, UserError) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(400, str(error))
            service.metrics.failures.labels(str(refusal.status)).inc()
            line = {"error": refusal.message, "status": refusal.status, "request_id": socket.scope["request_id"]}
            code = TRY_LATER if refusal.retry_after else INTERNAL if refusal.status >= 500 else BAD_DATA
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_text(json_text(line | {"retry_after": refusal.retry_after}))
                await socket.close(code, refusal.message[:100])
        finally:
            if ticket is not None:
                service.room.leave(ticket)

    return router


async def _exchange(service: SegmentationService, socket: WebSocket, ticket: Ticket) -> None:
    """Take frames and send masks until the source has ended and every frame has its answer.

    When the service stops, no more frames are taken, and those that were taken get their answers.

    Raises:
        Refusal: the service stops, or the request failed.
    """
    # A frame is only taken from the connection when one of these is free: that slows the sender down.
    places = asyncio.Semaphore(service.options.frames_in_flight)
    taking = asyncio.create_task(_take_frames(socket, ticket, places))
    answering = asyncio.create_task(_send_masks(service, socket, ticket, places))
    stopping = asyncio.create_task(service.room.stopped())
    try:
        done, _ = await asyncio.wait({taking, answering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if taking in done:
            taking.result()
        elif stopping in done:
            taking.cancel()
            end_frames(ticket.folder)
        await answering
        if taking not in done:
            # The source was not at its end.
            service.room.check_open()
    finally:
        for task in (taking, answering, stopping):
            task.cancel()
        await asyncio.gather(taking, answering, stopping, return_exceptions=True)


async def _take_frames(socket: WebSocket, ticket: Ticket, places: asyncio.Semaphore) -> None:
    count = 0
    while True:
        await places.acquire()
        try:
            async with asyncio.timeout(IDLE):
                message = await socket.receive()
        except TimeoutError:
            raise Refusal(408, f"no frame came for {IDLE:g} s") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        content = message.get("bytes")
        if content is None:
            if message.get("text") != END:
                raise Refusal(400, f"send frames as binary messages, and the text '{END}' after the last one")
            end_frames(ticket.folder)
            return
        if len(content) > MAX_FRAME_BYTES:
            raise Refusal(413, f"a frame is larger than {MAX_FRAME_BYTES} bytes")
        await asyncio.to_thread(put_frame, ticket.folder, count, content)
        count += 1


async def _send_masks(
    service: SegmentationService, socket: WebSocket, ticket: Ticket, places: asyncio.Semaphore
) -> None:
    while True:
        notice = await service.room.next_notice(ticket)
        for line in notice.lines:
            await socket.send_text(line.rstrip("\n"))
            places.release()
        if notice.kind == "finished":
            return
