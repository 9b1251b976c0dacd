"""Run the page as a server, which keeps all traffic between the browser and itself."""

from __future__ import annotations

import hmac
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from vlp_rvos.utils.addresses import address_failure, check_address
from vlp_rvos.utils.escaped_stream import escaped_output
from vlp_rvos.utils.extras import require_installed
from vlp_rvos.utils.staging import Staging, remove_stale
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.visitor import SegmenterLike

__all__ = ["serve"]

#: What the browser may load, and from where: from this server alone, whatever a part of the page asks for.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)

#: Seconds after which an upload that nobody has taken is removed.
ABANDONED = 600.0
#: Seconds after which a visit ends in which nothing is done.
IDLE = 6 * 3600.0

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def serve(
    segmenter: SegmenterLike,
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    password: str | None = None,
    limits: Limits | None = None,
    examples: Sequence[Path] = (),
    ready: Callable[[str], None] = print,
) -> None:
    """Serve the page until the process is told to end. All files of visitors are removed then.

    Args:
        segmenter: what finds the masks.
        host: address to listen at.
        port: port to listen at.
        password: password that visitors must give, with any user name; None for none.
        limits: limits of the page.
        examples: videos to try; see `vlp_rvos.web.page.build_page`.
        ready: called with the address of the page when it can be opened.

    Raises:
        UserError: the extra `web` is not installed, the address cannot be used, or an example cannot be read.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    require_installed("gradio", extra="web")
    check_address(host, port)
    parent = Path(tempfile.gettempdir())
    remove_stale(parent)
    staging = Staging.create(parent)
    try:
        # Gradio reads these when it is imported and when parts of the page are made.
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "0", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
        os.environ["GRADIO_TEMP_DIR"] = str(staging.new)
        with escaped_output():
            _serve(segmenter, host, port, password, limits or Limits(), examples, ready, staging.new)
    finally:
        staging.remove()


def _serve(
    segmenter: SegmenterLike,
    host: str,
    port: int,
    password: str | None,
    limits: Limits,
    examples: Sequence[Path],
    ready: Callable[[str], None],
    folder: Path,
) -> None:
    from starlette.middleware import Middleware

    from vlp_rvos.web.examples import Example
    from vlp_rvos.web.looks import page_looks
    from vlp_rvos.web.page import Page
    from vlp_rvos.web.visitors import Visitors

    visitors = Visitors(folder, segmenter, limits)
    page = Page(visitors, [Example.of(path) for path in examples]).blocks
    try:
        try:
            page.launch(
                server_name=host,
                server_port=port,
                auth=None if password is None else lambda _, given: _is_same(given, password),
                auth_message="Any user name, and the password that you were given.",
                max_file_size=round(limits.max_megabytes * 1e6),
                prevent_thread_lock=True,
                quiet=True,
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                share=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                app_kwargs={"middleware": [Middleware(_Policy)]},
                **page_looks(),
            )
        except OSError as error:
            raise address_failure(host, port, error) from error
        ready(f"http://{host}:{port}/")
        while True:
            time.sleep(ABANDONED)
            visitors.remove_abandoned(ABANDONED)
            visitors.end_idle(IDLE)
    finally:
        visitors.close()
        page.close(verbose=False)


def _is_same(given: str, password: str) -> bool:
    return hmac.compare_digest(given.encode(), password.encode())


class _Policy:
    """Adds headers to every answer that tell the browser to load nothing from elsewhere, and to tell nobody."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        async def send_with_policy(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await self.app(scope, receive, send_with_policy if scope["type"] == "http" else send)
