"""Run a generator ahead of its consumer in a background thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["prefetch"]

Item = TypeVar("Item")


def prefetch(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """Yield the items of a generator that runs ahead in a thread of its own.

    The thread and the generator end when the returned generator ends or is closed.

    Args:
        items: The generator. An exception that it raises is raised here after the items that came before.
        depth: How many items may wait to be taken, while one more is being made. 0 runs the generator in the caller's
            thread, and nothing ahead.
    """
    if depth == 0:
        yield from items
        return
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(done: bool, value: object) -> bool:
        while not stop.is_set():
            with suppress(queue.Full):
                waiting.put((done, value), timeout=0.1)
                return True
        return False

    def work() -> None:
        failure: BaseException | None = None
        try:
            for item in items:
                if not put(False, item):
                    break
        except BaseException as error:
            failure = error
        finally:
            items.close()
        put(True, failure)

    thread = threading.Thread(target=work, name="vlp-rvos-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            done, value = waiting.get()
            if not done:
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        stop.set()
        thread.join()
