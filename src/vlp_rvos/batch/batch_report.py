"""What became of the items of a batch, and the file `report.json` that says so."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import WorkItem
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.records import record_from

__all__ = ["REPORT_FILE", "BatchReport", "Outcome"]

REPORT_FILE = "report.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one item.

    Attributes:
        key: the item's key.
        status: whether its results are complete.
        frames: number of frames with results.
        parts: number of parts.
        resumed: number of parts that were there already when this worker took the item up.
        problem: what was wrong with the video, although it was done; None where nothing was.
        causes: why attempts failed, the first one first.
        seconds: time that this worker spent on it.
    """

    key: str
    status: Literal["done", "failed"]
    frames: int = 0
    parts: int = 0
    resumed: int = 0
    problem: str | None = None
    causes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> str:
        """One line of JSON, for `from_json`."""
        return json_text(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The outcome that `to_json` wrote."""
        return record_from(cls, json.loads(text), "outcome")


@dataclass
class BatchReport:
    """Counts outcomes, and keeps those that somebody must look at.

    Attributes:
        items: key -> item, of the whole manifest.
        earlier: keys of the items that earlier runs have done.
        workers: number of workers.
        stopped: why the run ended early; None where it did not.
    """

    items: Mapping[str, WorkItem]
    earlier: Sequence[str]
    workers: int
    stopped: str | None = None
    frames: int = 0
    parts: int = 0
    _status: dict[str, str] = field(default_factory=dict)
    _failed: list[dict[str, Any]] = field(default_factory=list)
    _notes: list[dict[str, Any]] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)

    def add(self, outcome: Outcome) -> None:
        """Count in an outcome. Only the first one of an item counts."""
        if outcome.key in self._status:
            return
        self._status[outcome.key] = outcome.status
        self.frames, self.parts = self.frames + outcome.frames, self.parts + outcome.parts
        entry = self.items[outcome.key].describe() | {"key": outcome.key}
        if outcome.status == "failed":
            self._failed.append(entry | {"cause": outcome.causes[-1], "earlier_causes": list(outcome.causes[:-1])})
        elif outcome.problem or outcome.causes:
            self._notes.append(entry | {"problem": outcome.problem, "retried_after": list(outcome.causes)})

    @property
    def done(self) -> int:
        """Number of items that this run has done."""
        return len(self._status) - len(self._failed)

    @property
    def failed(self) -> int:
        """Number of items that failed in this run."""
        return len(self._failed)

    def missing(self) -> list[str]:
        """Keys of the items whose outcome is not known."""
        known = {*self.earlier, *self._status}
        return [key for key in self.items if key not in known]

    def write(self, output: Storage) -> None:
        """Write the report into an output folder, in place of that of an earlier run."""
        content = {
            "items": len(self.items),
            "done_before": len(self.earlier),
            "done": self.done,
            "failed": self.failed,
            "not_done": len(self.missing()),
            "frames": self.frames,
            "parts": self.parts,
            "workers": self.workers,
            "seconds": round(time.perf_counter() - self._began, 3),
            "stopped": self.stopped,
            "failures": self._failed,
            "notes": self._notes,
        }
        output.put(REPORT_FILE, (json_text(content, indent=1) + "\n").encode())

    def describe(self) -> str:
        """One line for the terminal."""
        seconds = time.perf_counter() - self._began
        parts = [f"{self.done} of {len(self.items)} videos done, {self.frames} frames in {seconds:.1f} s"]
        parts += [f"{len(self.earlier)} were done before"] if self.earlier else []
        parts += [f"{self.failed} failed"] if self.failed else []
        parts += [f"{len(self.missing())} left"] if self.missing() else []
        return "; ".join(parts)
