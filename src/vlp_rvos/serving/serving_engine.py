"""LitServe as the engine: it starts worker processes with a model each, restarts them, and carries tasks to them."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import time
import traceback
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import litserve
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from litserve.specs.base import LitSpec
from litserve.utils import LitAPIStatus, ResponseBufferItem
from starlette.exceptions import HTTPException

from vlp_rvos._version import __version__
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.serving.access_guard import AccessGuard, refusal_response
from vlp_rvos.serving.live_frames import MAX_FRAME_BYTES
from vlp_rvos.serving.live_routes import live_routes
from vlp_rvos.serving.process_ends import end_forks_with_parent, end_with_parent, interrupt_on_signals
from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.serving.segmentation_service import LAST_LINES, SegmentationService
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.serving.tasks import Notice, Task
from vlp_rvos.serving.video_routes import video_routes
from vlp_rvos.utils.addresses import address_failure
from vlp_rvos.utils.signals import Terminated
from vlp_rvos.utils.socket_folder import prepare_socket_folder

__all__ = ["add_routes", "run_service"]

#: Seconds after which the web process, when it should have ended, is killed.
LATENESS = 3
#: File in which a worker says why it cannot start.
REASON = "cannot-start"


class _Spec(LitSpec):  # type: ignore[misc]
    """What LitServe knows of our interface: nothing but how a task gets to a worker and what comes back.

    The paths are registered beside, since LitServe's own would read a whole upload into memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.api_path = "/v1/segment"

    @property
    def stream(self) -> bool:
        return True

    def decode_request(self, request: Task, context_kwargs: object = None) -> Task:
        return request

    def encode_response(self, output: Iterator[Notice], context_kwargs: object = None) -> Iterator[Notice]:
        return output

    async def submit(self, task: Task) -> AsyncGenerator[Notice, None]:
        """Run a task in a free worker, and yield what it says."""
        name, event, answers = uuid.uuid4().hex, asyncio.Event(), deque[Any]()
        self.response_buffer[name] = ResponseBufferItem(event=event, response_queue=answers)
        try:
            self.request_queue.put((self.response_queue_id, name, time.monotonic(), task))
            async for notice, status in self.data_streamer(answers, event, send_status=True):
                if status == LitAPIStatus.ERROR:
                    return
                yield notice
        finally:
            self.response_buffer.pop(name, None)


class _Api(litserve.LitAPI):  # type: ignore[misc]
    """The work of a worker process.

    Args:
        model: name of the model.
        inference: how the model is run.
        options: the limits.
        folder: where the worker says why it cannot start.
    """

    def __init__(self, model: str, inference: InferenceOptions, options: ServiceOptions, folder: Path) -> None:
        super().__init__(spec=_Spec())
        self.model, self.inference, self.options, self.folder = model, inference, options, folder
        self.parent = os.getpid()
        self.is_open: Callable[[], bool] = lambda: True

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "is_open"}

    def setup(self, device: str) -> None:
        # Ctrl-C goes to every process of a terminal; the web process decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        logging.getLogger("litserve").setLevel(logging.CRITICAL)
        end_with_parent(self.parent)
        try:
            import torch

            from vlp_rvos.inference.segmenter import Segmenter
            from vlp_rvos.serving.segmentation_worker import SegmentationWorker

            torch.set_num_threads(self.options.threads)
            segmenter = Segmenter.from_pretrained(self.model, self.inference)
        except VLPRVOSError as error:
            (self.folder / REASON).write_text(str(error), encoding="utf-8")
            raise
        self._worker = SegmentationWorker(segmenter, self.options.max_seconds)

    def predict(self, task: Task) -> Iterator[Notice]:
        return self._worker.run(task)

    def health(self) -> bool:
        """Whether the service takes requests, for `/ready`."""
        return self.is_open()


def add_routes(app: Any, service: SegmentationService, *, with_token: bool) -> None:
    """Add the paths of the service to a FastAPI app, and errors as one line of JSON."""
    app.title, app.version = "vlp-rvos", __version__
    app.description = "Find in videos what words describe. Frames can also be streamed over the WebSocket `/v1/stream`."
    app.include_router(video_routes(service))
    app.include_router(live_routes(service))

    async def refused(request: HttpRequest, error: Exception) -> Response:
        if isinstance(error, Refusal):
            refusal = error
        elif isinstance(error, UserError):
            refusal = Refusal(400, str(error))
        elif isinstance(error, HTTPException):
            refusal = Refusal(error.status_code, str(error.detail))
        elif isinstance(error, RequestValidationError):
            refusal = Refusal(400, "; ".join(str(each["msg"]) for each in error.errors()))
        else:
            traceback.print_exception(error)
            refusal = Refusal(507 if isinstance(error, OSError) else 500, f"internal error: {type(error).__name__}")
        if refusal.status != 404:
            service.metrics.failures.labels(str(refusal.status)).inc()
        return refusal_response(refusal, request.scope.get("request_id"))

    for kind in (Refusal, UserError, HTTPException, RequestValidationError, OSError, Exception):
        app.add_exception_handler(kind, refused)
    if with_token:
        original = app.openapi

        def openapi() -> dict[str, Any]:
            schema: dict[str, Any] = original()
            schema["components"] = schema.get("components", {}) | {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
            }
            schema["security"] = [{"token": []}]
            return schema

        app.openapi = openapi


def run_service(
    model: str,
    inference: InferenceOptions,
    options: ServiceOptions,
    *,
    host: str,
    port: int,
    token: str | None,
    folder: Path,
) -> None:
    """Serve until a signal comes.

    Args:
        model: name of the model.
        inference: how the model is run.
        options: the limits.
        host: address to listen on.
        port: port to listen on.
        token: token that requests must bear; None for none.
        folder: an empty folder for everything that is written.

    Raises:
        UserError: the workers cannot start, the address cannot be used, or there is no folder for sockets.
        Terminated: SIGTERM or SIGHUP came, and everything has stopped.
        KeyboardInterrupt: Ctrl-C, likewise.
    """
    # LitServe keeps its queues in a process of its own.
    prepare_socket_folder()
    api = _Api(model, inference, options, folder)
    service = SegmentationService(api.spec, options, folder)
    api.is_open = lambda: service.room.is_open

    async def start() -> None:
        await service.start(f"http://{host}:{port}")

    guard = {"token": token, "max_bytes": options.max_bytes, "on_start": start}
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=options.workers,
        timeout=False,
        healthcheck_path="/ready",
        middlewares=[(AccessGuard, guard)],
        restart_workers=True,
    )
    server.uvicorn_graceful_timeout = math.ceil(options.grace + LAST_LINES) + LATENESS
    add_routes(server.app, service, with_token=token is not None)
    end_forks_with_parent()
    try:
        with interrupt_on_signals():
            server.run(
                host=host,
                port=port,
                num_api_servers=1,
                # LitServe reports its own end as an error.
                log_level="critical",
                generate_client_file=False,
                ws_max_size=MAX_FRAME_BYTES,
                # Frames that the connection itself takes ahead of us.
                ws_max_queue=1,
                server_header=False,
            )
    except Terminated:
        raise
    except SystemExit as error:
        # All that is heard of it, for the log of the web server is silent.
        raise address_failure(host, port, "something else has just taken it") from error
    except RuntimeError as error:
        reason = folder / REASON
        if reason.exists():
            raise UserError(reason.read_text(encoding="utf-8")) from error
        raise
