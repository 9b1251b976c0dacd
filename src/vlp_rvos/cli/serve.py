"""`vlp-rvos serve`: a service for uploads and live sources, over HTTP and WebSocket."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.option_groups import OptionGroup
from vlp_rvos.cli.shared_options import InferenceOptionGroup, Model
from vlp_rvos.errors import UserError
from vlp_rvos.serving.service_options import ServiceOptions
from vlp_rvos.utils.extras import require_installed

__all__ = ["serve"]

DEFAULTS = ServiceOptions()
LIMITS = "Limits"
TOKEN_VARIABLE = "VLP_RVOS_TOKEN"
#: Characters that a token must have.
MIN_TOKEN = 16
LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "0.0.0.0", "::")


def service_options(
    workers: Annotated[int, typer.Option(help="Processes with a model each.")] = DEFAULTS.workers,
    threads: Annotated[int, typer.Option(help="Threads of PyTorch in each worker.")] = DEFAULTS.threads,
    queue: Annotated[
        int, typer.Option(help="Requests that may wait for a worker; more are refused.", rich_help_panel=LIMITS)
    ] = DEFAULTS.queue,
    max_megabytes: Annotated[
        float, typer.Option(help="Largest upload.", rich_help_panel=LIMITS)
    ] = DEFAULTS.max_megabytes,
    max_seconds: Annotated[
        float, typer.Option(help="Longest part of a video for one request.", rich_help_panel=LIMITS)
    ] = DEFAULTS.max_seconds,
    timeout: Annotated[
        float,
        typer.Option(help="Seconds for one request in all, upload and waiting included.", rich_help_panel=LIMITS),
    ] = DEFAULTS.timeout,
    live_seconds: Annotated[
        float, typer.Option(help="Seconds after which a live source is ended.", rich_help_panel=LIMITS)
    ] = DEFAULTS.live_seconds,
    grace: Annotated[
        float, typer.Option(help="Seconds for running work when the service is stopped.", rich_help_panel=LIMITS)
    ] = DEFAULTS.grace,
    keep_seconds: Annotated[
        float, typer.Option(help="Seconds for which an uploaded video is kept.", rich_help_panel=LIMITS)
    ] = DEFAULTS.keep_seconds,
    kept_videos: Annotated[
        int, typer.Option(help="Uploaded videos that are kept at a time.", rich_help_panel=LIMITS)
    ] = DEFAULTS.kept_videos,
    frames_in_flight: Annotated[
        int, typer.Option(help="Frames of a live source that may wait for masks.", rich_help_panel=LIMITS)
    ] = DEFAULTS.frames_in_flight,
) -> ServiceOptions:
    """One record of the limits of the service.

    Raises:
        UserError: a value out of its range.
    """
    return ServiceOptions(**locals())


def serve(
    *,
    host: Annotated[
        str, typer.Option(help=f"Address to listen on: {', '.join(HOSTS)}. All but the first need a token.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port to listen on.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar=TOKEN_VARIABLE,
            show_envvar=True,
            help="Token that requests must bear. Prefer the variable: others can see options of commands.",
        ),
    ] = None,
    service: Annotated[ServiceOptions, OptionGroup(service_options)],
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Serve videos and live sources over HTTP and WebSocket, until Ctrl-C or SIGTERM.

    /docs describes the interface. What is running when the service is stopped gets some time to finish.
    """
    if host not in HOSTS:
        raise UserError(f"--host must be one of {', '.join(HOSTS)}")
    if token is not None and (len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable()):
        raise UserError(f"the token must have at least {MIN_TOKEN} printable ASCII characters")
    if token is None and host != LOOPBACK:
        raise UserError(f"--host {host} lets other machines in: set a token in the variable {TOKEN_VARIABLE}")
    require_installed("litserve", "multipart", "prometheus_client", "websockets", extra="serve")
    # So that no other process can see it in the environment of the workers.
    os.environ.pop(TOKEN_VARIABLE, None)
    from vlp_rvos.utils.addresses import check_address

    # Before the rest is imported and the model is loaded, which takes long.
    check_address(host, port)
    from vlp_rvos.serving.serving_engine import run_service
    from vlp_rvos.utils.staging import Staging, remove_stale

    parent = Path(tempfile.gettempdir())
    remove_stale(parent)
    staging = Staging.create(parent)
    try:
        run_service(model, options, service, host=host, port=port, token=token, folder=staging.new)
    finally:
        staging.remove()
