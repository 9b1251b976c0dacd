"""The log of a training run: `log.jsonl`, TensorBoard, and progress with the time left."""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import TaskProgressColumn, TextColumn

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.extras import require_installed
from vlp_rvos.utils.plain_text import escape_unprintable, is_unicode
from vlp_rvos.utils.progress import progress_bar

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["LOG", "RunLog"]

LOG = "log.jsonl"


class RunLog:
    """Writes and shows the numbers of a run; a context manager.

    On a terminal a progress bar shows the latest numbers; elsewhere every record is one line on standard error.

    Args:
        folder: folder of the run. `log.jsonl` in it is continued; TensorBoard's files go to `board`.
        name: name of the run.
        step: number of optimizer steps at which the run starts or continues.
        enabled: whether to write and show anything; only the first process of a run does.
        board: folder of TensorBoard's files in that of the run. Parts of a run that count steps anew need one each.
    """

    def __init__(self, folder: Path, name: str, step: int, *, enabled: bool = True, board: str = "tensorboard") -> None:
        self.enabled, self.name = enabled, escape_unprintable(name)
        self.started, self.first_progress = time.monotonic(), math.nan
        self.bar = progress_bar(
            TaskProgressColumn(), TextColumn("{task.fields[numbers]}", markup=False), enabled=enabled
        )
        self.task = self.bar.add_task(self.name, total=1.0, numbers="")
        self.file = folder / LOG
        self.board = _tensorboard(folder / board, step) if enabled else None

    def __enter__(self) -> RunLog:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()
        if self.board is not None:
            self.board.close()

    def record(self, step: int, progress: float, event: str, numbers: Mapping[str, float]) -> None:
        """Write numbers to the log and show them.

        Args:
            step: number of optimizer steps so far.
            progress: how much of the run is done, 0 to 1.
            event: where the numbers come from: "train", "validation", or the name of a later stage, alone or with
                "validation".
            numbers: name -> value.
        """
        if not self.enabled:
            return
        line = {"event": event, "step": step, "progress": round(progress, 5)}
        values = {name: float(f"{value:.5g}") for name, value in numbers.items()}
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {k: v if math.isfinite(v) else None for k, v in values.items()}) + "\n")
        if self.board is not None:
            for name, value in numbers.items():
                self.board.add_scalar(escape_unprintable(f"{event}/{name}"), value, step)
        shown = escape_unprintable("  ".join(f"{name} {value:.4g}" for name, value in values.items()))
        if self.bar.disable:
            where = f"{self.name} {event} step {step} ({progress:.1%}, {self._time_left(progress)} left)"
            print(f"{where}  {shown}", file=sys.stderr, flush=True)
        elif event.endswith("validation"):
            self.bar.console.print(f"{event} at step {step}: {shown}", markup=False)

    def advance(self, step: int, progress: float, numbers: Mapping[str, float]) -> None:
        """Advance the progress bar.

        Args:
            step: number of optimizer steps so far.
            progress: how much of the run is done, 0 to 1.
            numbers: name -> value, shown beside the bar.
        """
        if math.isnan(self.first_progress):
            self.started, self.first_progress = time.monotonic(), progress
        if not self.bar.disable:
            shown = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
            text = f"step {step}  {shown}  {self._time_left(progress)} left"
            self.bar.update(self.task, completed=progress, numbers=text)

    def _time_left(self, progress: float) -> str:
        done = progress - self.first_progress
        if not done > 0:
            return "?"
        seconds = round((time.monotonic() - self.started) * max(0.0, 1 - progress) / done)
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _tensorboard(folder: Path, step: int) -> SummaryWriter | None:
    try:
        require_installed("tensorboard", extra="train")
        if not is_unicode(str(folder)):
            raise UserError(f"TensorBoard cannot write into {folder}, whose name is not UTF-8")
    except UserError as error:
        warnings.warn(f"{error}; the run has no TensorBoard curves", VLPRVOSWarning, stacklevel=3)
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step)
