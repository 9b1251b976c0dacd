"""All visitors of the page, by the name of their session."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from vlp_rvos.web.job_queue import JobQueue
from vlp_rvos.web.limits import Limits
from vlp_rvos.web.visitor import SegmenterLike, Visitor

__all__ = ["Visitors"]


class Visitors:
    """Makes a visitor when a session first does something, and ends it with the session.

    Args:
        folder: folder for the files of all visitors, which is made when it is needed. Each visitor gets a folder in it
            whose name cannot be guessed.
        segmenter: what finds the masks.
        limits: limits of the page.
    """

    def __init__(self, folder: Path, segmenter: SegmenterLike, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self._segmenter, self._queue = segmenter, JobQueue(limits.queue)
        self._visitors: dict[str, Visitor] = {}
        self._seen: dict[str, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._visitors)

    def of(self, session: str) -> Visitor:
        """The visitor of a session."""
        with self._lock:
            if session not in self._visitors:
                folder = self.folder / f"visitor-{secrets.token_urlsafe(16)}"
                folder.mkdir(parents=True)
                self._visitors[session] = Visitor(folder, self._segmenter, self._queue, self.limits)
            self._seen[session] = time.monotonic()
            return self._visitors[session]

    def leave(self, session: str) -> None:
        """End the visit of a session: stop its job, and remove its files."""
        with self._lock:
            visitor = self._visitors.pop(session, None)
            self._seen.pop(session, None)
        if visitor is not None:
            visitor.close()

    def remove_abandoned(self, seconds: float) -> None:
        """Remove the uploads that nobody has taken within so many seconds, and what is left of those broken off."""
        with self._lock:
            kept = {visitor.folder for visitor in self._visitors.values()}
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path not in kept and not path.is_symlink() and time.time() - _last_change(path) > seconds:
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink(missing_ok=True)

    def end_idle(self, seconds: float) -> None:
        """End the visits of sessions that have done nothing for so many seconds, and for which no job runs.

        Not every session says that it leaves, and what it asked for last may come after it has said so.
        """
        before = time.monotonic() - seconds
        with self._lock:
            idle = [name for name, seen in self._seen.items() if seen < before and not self._visitors[name].is_busy]
        for session in idle:
            self.leave(session)

    def close(self) -> None:
        """End all visits and the queue."""
        self._queue.close()
        for session in list(self._visitors):
            self.leave(session)


def _last_change(path: Path) -> float:
    """When a file, or the last file of a folder, was changed, in seconds as `time.time` has it."""
    return max(float(one.lstat().st_mtime) for one in (path, *(path.iterdir() if path.is_dir() else ())))
