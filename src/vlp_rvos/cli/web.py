"""`vlp-rvos web`: the page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlp_rvos.cli.messages import echo, one_line
from vlp_rvos.cli.shared_options import InferenceOptionGroup, Model
from vlp_rvos.errors import UserError

__all__ = ["web"]

#: The examples of a checkout.
EXAMPLES = Path(__file__).parents[3] / "examples"


def web(
    *,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this computer.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 7860,
    password: Annotated[
        str | None,
        typer.Option(
            envvar="VLP_RVOS_WEB_PASSWORD", help="Password that visitors must give.", show_default="none is asked for"
        ),
    ] = None,
    max_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Longest part of a video that is processed in one job.")
    ] = 60.0,
    max_megabytes: Annotated[
        float, typer.Option(metavar="MEGABYTES", help="Size of the largest file that is accepted.")
    ] = 200.0,
    queue: Annotated[int, typer.Option(help="Number of jobs that may wait while one runs.")] = 8,
    examples: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of mp4 files to try, whose names say what to find.",
            show_default="examples of the checkout",
        ),
    ] = None,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Open a page in the browser: drop a video, say what to find or click on it, and watch.

    The page and everything that it loads come from this computer. Without --host it can be reached from this computer
    alone. Files of visitors are removed when they leave, and when the command ends.
    """
    from vlp_rvos.utils.extras import require_installed
    from vlp_rvos.web.limits import Limits

    limits = Limits(max_seconds=max_seconds, max_megabytes=max_megabytes, queue=queue)
    if not 1 <= port <= 65535:
        raise UserError(f"port must be from 1 to 65535, not {port}")
    if password is not None and not password:
        raise UserError("the password is empty: give another one, or none")
    if examples is not None and not examples.is_dir():
        raise UserError(f"no such folder: {examples}")
    require_installed("gradio", extra="web")
    from vlp_rvos.utils.addresses import check_address, is_loopback
    from vlp_rvos.utils.progress import announced
    from vlp_rvos.web.server import serve

    # Before the model is loaded, which takes long.
    check_address(host, port)
    with announced(f"loading {model}"):
        from vlp_rvos.inference.segmenter import Segmenter

        segmenter = Segmenter.from_pretrained(model, options)
    if password is None and not is_loopback(host):
        echo(one_line(f"warning: everyone who can reach {host} can use this page; ask for a --password"), error=True)
    folder = examples or EXAMPLES
    serve(
        segmenter,
        host=host,
        port=port,
        password=password,
        limits=limits,
        examples=sorted(folder.glob("[!.]*.mp4")) if folder.is_dir() else (),
        ready=lambda address: echo(f"the page is at {address} (Ctrl-C ends it)"),
    )
