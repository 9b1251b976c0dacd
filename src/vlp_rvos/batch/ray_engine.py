"""Spread the items of a batch over workers with Ray Data, which restarts workers that die and replaces lost nodes.

Only items and outcomes travel through Ray, a few hundred bytes each. Each worker reads videos and writes results
itself, so memory is bounded by what one worker needs, however fast others are.
"""

from __future__ import annotations

import logging
import os
import queue
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.batch_settings import BatchSettings
from vlp_rvos.batch.work_item import WorkItem
from vlp_rvos.errors import UserError, VLPRVOSError
from vlp_rvos.utils.extras import import_optional, require_installed
from vlp_rvos.utils.ranges import Range, check_ranges
from vlp_rvos.utils.socket_folder import socket_folder

__all__ = ["READER", "ClusterOptions", "RunItem", "RunnerFactory", "outcomes", "ray_session", "run_name"]

#: Completes one item.
RunItem = Callable[[WorkItem], Outcome]

#: Memory of the object store of a Ray of our own: items and outcomes are small. Ray takes 78 MB at least.
OBJECT_STORE_BYTES = 100 * 2**20
#: The longest path of a socket in Ray's folder.
SOCKET_NAMES = "/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"
#: Tasks for each worker, as far as there are items: many, so that no worker has much more to do than the others at the
#: end; few, so that Ray has little to keep account of.
TASKS_PER_WORKER = 50
#: Name of the thread that reads outcomes.
READER = "outcomes"
#: Seconds after which a request to stop is noticed.
POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Where the workers run.

    Attributes:
        workers: number of worker processes, each with a copy of the model.
        threads: threads of each worker.
        gpus: GPUs of each worker; a share lets several workers use one.
        address: address of a running Ray cluster; None starts a Ray of our own on this machine.

    Raises:
        UserError: a value is out of its range.
    """

    workers: Annotated[int, Range(1, 100_000)] = 1
    threads: Annotated[int, Range(1, 1024)] = 1
    gpus: Annotated[float, Range(0, 64)] = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self, UserError)


@dataclass(frozen=True)
class RunnerFactory:
    """Makes an `ItemRunner` in the process of a worker.

    Attributes:
        output: path or URL of the output folder.
        settings: what the results depend on.
        run: name of this run.
        retries: how often a failed item is tried again.
        threads: number of PyTorch's threads.
    """

    output: str
    settings: BatchSettings
    run: str
    retries: int
    threads: int

    def __call__(self) -> RunItem:
        import torch

        from vlp_rvos.batch.item_runner import ItemRunner
        from vlp_rvos.batch.storage import Storage
        from vlp_rvos.inference.segmenter import Segmenter
        from vlp_rvos.utils.staging import Staging, remove_stale

        torch.set_num_threads(self.threads)
        shared = Path(tempfile.gettempdir()) / f"vlp-rvos-batch-{os.getuid() if hasattr(os, 'getuid') else 0}"
        shared.mkdir(mode=0o700, exist_ok=True)
        # What killed workers have left.
        remove_stale(shared)
        scratch = Staging.create(shared)
        segmenter = Segmenter.from_pretrained(self.settings.model, self.settings.options)
        return ItemRunner(
            segmenter,
            Storage(self.output),
            self.settings,
            run=self.run,
            retries=self.retries,
            scratch=scratch.new,
        )


class BatchWorker:
    """What Ray Data calls in the process of a worker: the model is loaded once, and then completes items.

    Args:
        make_runner: called once, in the process of the worker.
    """

    def __init__(self, make_runner: Callable[[], RunItem]) -> None:
        self._run_item = make_runner()

    def __call__(self, items: dict[str, Any]) -> Iterator[dict[str, list[str]]]:
        for text in items["item"]:
            yield {"outcome": [self._run_item(WorkItem.from_json(str(text))).to_json()]}


@contextmanager
def ray_session(options: ClusterOptions) -> Iterator[None]:
    """Connect to a Ray cluster, or start a Ray on this machine, while the block runs.

    Raises:
        UserError: Ray is not installed, or there is no cluster at the address.
    """
    require_installed("ray", "pyarrow", "fsspec", extra="batch")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    # Its warning about arguments of a worker that may be lost: they are lost with the driver only.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    # The processes of a Ray of our own see no GPU but those that they ask for, and this is not news.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # A request to stop ends Ray while a thread still reads outcomes. That must not start another Ray.
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    # Workers have the priority of the command, which `nice` chooses. Ray would give them a low one.
    os.environ.setdefault("RAY_worker_niceness", "0")
    ray = import_optional("ray", extra="batch")
    local = {
        "num_cpus": options.workers * options.threads,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
        # Ray would take the temporary folder, however long its name.
        "_temp_dir": os.path.join(os.environ.get("RAY_TMPDIR") or socket_folder(SOCKET_NAMES), "ray"),
    }
    try:
        with _without_stderr():
            ray.init(
                address=options.address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=True,
                **({} if options.address else local),
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"no Ray at {options.address or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Drop what the block writes to standard error: Ray's core says there which log level it has been told."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def outcomes(
    items: Sequence[WorkItem],
    make_runner: Callable[[], RunItem],
    options: ClusterOptions,
    stop: Callable[[], object] = lambda: False,
) -> Iterator[Outcome]:
    """Complete items in the workers of a `ray_session`, and yield each outcome as it is known.

    A worker that dies is started anew, and its items are done again; what it had committed is found. So an outcome may
    come twice.

    Args:
        items: what to do.
        make_runner: makes what completes an item, in each worker.
        options: number and size of the workers.
        stop: asked now and then whether to stop; then the workers are left as they are, for the session's end.

    Raises:
        VLPRVOSError: the engine failed, for example because no worker can load the model.
    """
    arriving: queue.Queue[Outcome | Exception | None] = queue.Queue()
    thread = threading.Thread(target=_consume, args=(items, make_runner, options, arriving), name=READER, daemon=True)
    thread.start()
    while not stop():
        with suppress(queue.Empty):
            got = arriving.get(timeout=POLL_SECONDS)
            if got is None:
                return
            if isinstance(got, Exception):
                raise VLPRVOSError(f"the workers failed: {_reason(got)}") from got
            yield got
    # The thread goes on to read outcomes until the session ends, which Ray Data takes for a fault of its own.
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def _consume(
    items: Sequence[WorkItem],
    make_runner: Callable[[], RunItem],
    options: ClusterOptions,
    arriving: queue.Queue[Outcome | Exception | None],
) -> None:
    try:
        for row in _dataset(items, make_runner, options).iter_rows():
            arriving.put(Outcome.from_json(row["outcome"]))
        arriving.put(None)
    except Exception as error:
        arriving.put(error)


def _dataset(items: Sequence[WorkItem], make_runner: Callable[[], RunItem], options: ClusterOptions) -> Any:
    """The dataset of outcomes."""
    data = import_optional("ray.data", extra="batch")
    arrow = import_optional("pyarrow", extra="batch")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    # An outcome is handed on when it is there, and not when many have come together.
    context.target_max_block_size = 1
    # What a task could not do is seen by its missing outcomes.
    context.max_errored_blocks = -1
    size = max(1, len(items) // (options.workers * TASKS_PER_WORKER))
    tables = [
        arrow.table({"item": [item.to_json() for item in items[first : first + size]]})
        for first in range(0, len(items), size)
    ]
    return data.from_arrow(tables).map_batches(
        BatchWorker,
        fn_constructor_args=(make_runner,),
        batch_size=None,
        compute=data.ActorPoolStrategy(size=min(options.workers, len(tables))),
        num_cpus=options.threads,
        num_gpus=options.gpus or None,
    )


def _reason(error: Exception) -> str:
    """The last line of an error of Ray, whose messages are whole tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def run_name() -> str:
    """A name that no other run has."""
    return uuid.uuid4().hex[:8]
