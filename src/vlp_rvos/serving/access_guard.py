"""What every request passes first: the token, the size that it announces, and a request's name.

It stands before the framework, so nothing of a request that is refused here is read.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vlp_rvos.serving.refusal import Refusal
from vlp_rvos.utils.json_text import json_text

__all__ = ["LOOPBACK", "AccessGuard", "refusal_response"]

#: Paths that need no token: for probes of an orchestrator, and the description of the interface.
OPEN_PATHS = ("/health", "/ready", "/docs", "/openapi.json")
#: Bytes of a request beside its video.
FORM_BYTES = 1 << 20
#: Names of this machine for itself.
LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Close code of a WebSocket that breaks a rule of the server.
POLICY = 1008


def refusal_response(refusal: Refusal, request_id: str | None = None) -> Response:
    """The answer to a request that is refused: one line of JSON."""
    content = {"error": refusal.message} | ({"request_id": request_id} if request_id else {})
    text = json_text(content) + "\n"
    return Response(text, refusal.status, refusal.headers, media_type="application/json")


class AccessGuard:
    """ASGI middleware.

    Args:
        app: what comes after it.
        token: the token that requests must bear. Without one, only requests to this machine's own name are let
            through, and none that a page of another site makes a browser send.
        max_bytes: largest upload.
        on_start: called when the web process has started.
    """

    def __init__(
        self, app: ASGIApp, token: str | None, max_bytes: int, on_start: Callable[[], Awaitable[None]]
    ) -> None:
        self.app, self.token, self.max_bytes, self.on_start = app, token, max_bytes, on_start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, self._announced(receive), send)
            return
        headers = Headers(scope=scope)
        scope["request_id"] = request_id = uuid.uuid4().hex
        try:
            self._check(scope, headers)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                # Before the connection is accepted, this becomes the status 403.
                await receive()
                await send({"type": "websocket.close", "code": POLICY, "reason": refusal.message})
            else:
                await refusal_response(refusal, request_id)(scope, receive, send)
            return

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self.app(scope, self._limited(receive), named)

    def _check(self, scope: Scope, headers: Headers) -> None:
        if self.token is None:
            host, origin = headers.get("host", ""), headers.get("origin")
            if _host_name(host) not in LOOPBACK or (origin is not None and origin.partition("://")[2] != host):
                raise Refusal(403, "without a token only this machine itself is served: set VLP_RVOS_TOKEN")
        elif scope["path"] not in OPEN_PATHS:
            kind, _, given = headers.get("authorization", "").partition(" ")
            given = given.strip() if kind.lower() == "bearer" else ""
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                raise Refusal(401, "a valid token is needed: send the header 'Authorization: Bearer TOKEN'")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:20]) > self.max_bytes + FORM_BYTES:
            raise Refusal(413, f"the upload is larger than {self.max_bytes / 1e6:g} MB")

    def _limited(self, receive: Receive) -> Receive:
        """Count what comes, since a length need not be announced."""
        count = 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            if message["type"] == "http.request":
                count += len(message.get("body", b""))
                if count > self.max_bytes + FORM_BYTES:
                    raise Refusal(413, f"the upload is larger than {self.max_bytes / 1e6:g} MB")
            return message

        return counted

    def _announced(self, receive: Receive) -> Receive:
        async def announced() -> Any:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.on_start()
            return message

        return announced


def _host_name(text: str) -> str | None:
    """The name in a header `Host`, without the port; None where there is none that can be read."""
    try:
        return urlsplit(f"//{text}").hostname
    except ValueError:
        return None
