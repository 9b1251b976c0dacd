"""`vlp-rvos batch`: many videos and many expressions, on all cores of a machine or on a cluster."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vlp_rvos.cli.messages import echo
from vlp_rvos.cli.shared_options import InferenceOptionGroup, Model
from vlp_rvos.errors import UserError, VLPRVOSError

if TYPE_CHECKING:
    from vlp_rvos.batch.work_item import WorkItem

__all__ = ["batch"]

WORKERS = "Workers"


def batch(
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="MANIFEST",
            help="Table of videos and expressions (.parquet, .csv, .jsonl), or a folder of videos; a path or a URL.",
        ),
    ],
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FOLDER", help="Write results there: a path, s3:// or gs://.")
    ],
    expressions: Annotated[
        list[str] | None,
        typer.Option("--expression", "-e", metavar="EXPRESSION", help="What to find in a folder's videos; repeatable."),
    ] = None,
    expressions_file: Annotated[
        Path | None,
        typer.Option("--expressions", metavar="FILE", help="Text file with one such expression a line."),
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay", help="Write videos with the masks drawn on them too.")] = False,
    masks: Annotated[bool, typer.Option("--masks", help="Write masks as palette PNGs in ZIP files too.")] = False,
    split_seconds: Annotated[
        float, typer.Option(help="Length of the parts of a video after which its state is kept.")
    ] = 600.0,
    retries: Annotated[int, typer.Option(help="How often a video is tried again after a failure.", min=0)] = 2,
    workers: Annotated[
        int, typer.Option(help="Processes with a copy of the model each.", min=1, rich_help_panel=WORKERS)
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads of each worker.",
            min=1,
            show_default="cores / workers, or 1 on a cluster",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    gpus: Annotated[float, typer.Option(help="GPUs of each worker.", rich_help_panel=WORKERS)] = 0.0,
    address: Annotated[
        str | None,
        typer.Option(help="Address of a running Ray cluster.", show_default="a Ray here", rich_help_panel=WORKERS),
    ] = None,
    model: Model = "mini",
    options: InferenceOptionGroup,
) -> None:
    """Find what the words say in many videos, and write the masks as tables in Parquet files.

    Run the same command again after a stop or a failure: what is complete is not done again. A video that cannot be
    read does not stop the others; FOLDER/report.json says why each failed, and the exit code is then 1.
    """
    from vlp_rvos.batch.batch_report import REPORT_FILE, BatchReport
    from vlp_rvos.batch.batch_settings import BatchSettings, claim_output, model_anywhere, model_fingerprint
    from vlp_rvos.batch.ray_engine import ClusterOptions, RunnerFactory, outcomes, ray_session, run_name
    from vlp_rvos.batch.restart import earlier_items, settle
    from vlp_rvos.batch.storage import Storage
    from vlp_rvos.utils.extras import require_installed
    from vlp_rvos.utils.processes import available_cores
    from vlp_rvos.utils.progress import counting
    from vlp_rvos.utils.signals import catch_stop_signals

    require_installed("ray", "pyarrow", "fsspec", extra="batch")
    cores = 1 if address else available_cores()
    cluster = ClusterOptions(workers=workers, threads=threads or max(1, cores // workers), gpus=gpus, address=address)
    items = _read_items(manifest, expressions or [], expressions_file)
    settings = BatchSettings(
        model=model_anywhere(model),
        model_files=model_fingerprint(model),
        options=options,
        split_seconds=split_seconds,
        overlay=overlay,
        masks=masks,
    )
    storage = Storage(output)
    claim_output(storage, settings)
    known = {item.key: item for item in items}
    report = BatchReport(known, earlier_items(storage, items, settings), workers)
    left = [known[key] for key in report.missing()]
    signal_number = None
    if left:
        make_runner = RunnerFactory(storage.folder, settings, run_name(), retries, cluster.threads)
        # Ray has a handler of SIGTERM too, so ours come later.
        with ray_session(cluster), catch_stop_signals() as stop, counting("batch", "videos", len(left)) as count:
            for outcome in outcomes(left, make_runner, cluster, lambda: stop):
                report.add(outcome)
                count(report.done + report.failed)
        signal_number = stop.signal_number
        if signal_number is None:
            for outcome in settle(storage, (known[key] for key in report.missing()), settings):
                report.add(outcome)
        else:
            report.stopped = "interrupted"
    report.write(storage)
    echo(f"{report.describe()}; results in {storage}")
    if signal_number is not None:
        raise typer.Exit(128 + signal_number)
    if report.failed:
        raise VLPRVOSError(f"{report.failed} of {len(items)} videos failed: {storage}/{REPORT_FILE} says why")


def _read_items(manifest: str, expressions: list[str], expressions_file: Path | None) -> list[WorkItem]:
    """The items of a manifest, or of a folder and expressions."""
    from vlp_rvos.batch.manifest import is_manifest, read_folder, read_manifest
    from vlp_rvos.batch.storage import fetch, is_url
    from vlp_rvos.utils.text_files import read_text

    if expressions_file is not None:
        try:
            lines = read_text(expressions_file).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{expressions_file} cannot be read as text: {error}") from error
        expressions = expressions + [line.strip() for line in lines if line.strip()]
    if is_manifest(manifest) and not os.path.isdir(manifest):
        if expressions:
            raise UserError(f"{manifest}: a manifest has expressions of its own; leave -e and --expressions out")
        with tempfile.TemporaryDirectory() as folder:
            # Relative names of videos count from the manifest's folder.
            return read_manifest(fetch(manifest, Path(folder)), manifest.rpartition("/")[0] or ".")
    if not is_url(manifest) and not os.path.isdir(manifest):
        raise UserError(f"{manifest} is neither a manifest (.parquet, .csv, .jsonl) nor a folder of videos")
    if not expressions:
        raise UserError("no expression: say with -e what to find in the videos of the folder")
    return read_folder(manifest, expressions)
